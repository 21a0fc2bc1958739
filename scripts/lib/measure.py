"""Runs a command several times and prints the medians: wall seconds, CPU seconds, and the largest resident set in MiB.

usage: measure.py RUNS COMMAND [ARGUMENT...]

A run that fails ends the measurement with its exit status; there is no median of failures. Standard output of the
command is thrown away, its errors are shown.
"""

import os
import statistics
import subprocess
import sys
import time


def measure(command):
    """One run: (wall s, CPU s, peak RSS in MiB)."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        sys.exit(f"measure: {command[0]} ended with status {code}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    runs = [measure(sys.argv[2:]) for _ in range(int(sys.argv[1]))]
    print(*(f"{statistics.median(column):.3f}" for column in zip(*runs)))


main()
