"""Measures eyot-image beside the tools people would use otherwise and prints a table of medians in Markdown.

Called by scripts/bench.d/images, which installs what is needed and says what is measured. Runs go round robin, so that
what else the machine does falls on all alike. All files are in the page cache when a run begins; all runs end with
what they wrote on the disk: eyot-image syncs by itself, the others' time includes sync(1).
"""

import argparse
import os
import pathlib
import shlex
import shutil
import statistics
import subprocess
import sys
import time

MIB = 1 << 20
BEGIN, END = "<!-- bench: written by scripts/bench images --bless -->", "<!-- end of bench -->"


class Row:
    """A command, what it writes, and the row it is compared with."""

    def __init__(self, name, command, outputs, job, threads=1, rival=False):
        self.name, self.command, self.outputs, self.job = name, command, outputs, job
        self.threads, self.rival = threads, rival
        self.runs, self.size = [], 0

    def run(self, work):
        place = work / "out"
        place.mkdir()
        # What was written before is not this run's to sync.
        subprocess.run(["sync", "-f", str(work)], check=True)
        started = time.monotonic()
        process = subprocess.Popen(["sh", "-ec", self.command], cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said = process.stderr.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        if os.waitstatus_to_exitcode(status) != 0:
            sys.exit(f"bench images: {self.name} failed: {said.strip()}")
        self.runs.append((wall, usage.ru_utime, usage.ru_stime, usage.ru_maxrss / 1024))
        self.size = sum((place / name).stat().st_size for name in self.outputs)
        shutil.rmtree(place)

    def median(self, column):
        return statistics.median(run[column] for run in self.runs)

    @property
    def wall(self):
        return self.median(0)

    @property
    def cpu(self):
        return statistics.median(run[1] + run[2] for run in self.runs)


def rows(a, disk, part):
    image, d, p = shlex.quote(a.image), shlex.quote(str(disk)), shlex.quote(str(part))
    q_vmdk = f"qemu-img convert -f raw -O vmdk -o subformat=streamOptimized,adapter_type=lsilogic {d}"
    q_vhdx = f"qemu-img convert -f raw -O vhdx -o subformat=dynamic,block_size=1048576 {d}"
    o_vmdk = shlex.quote(a.vmdk_convert)
    found = [Row("qemu-img streamOptimized", f"{q_vmdk} o; sync o", ["o"], "vmdk", rival=True)]
    # Whatever does not end in .vmdk it takes as a raw disk. Its own default is level 9.
    for label, options in (("-c 1", "-c 1"), ("default", "")):
        found.append(Row(f"vmdk-convert {label}", f"{o_vmdk} {options} -n 1 {d} o.vmdk; sync o.vmdk", ["o.vmdk"], "vmdk"))
    for threads in a.threads:
        found.append(Row(f"eyot-image convert, {threads} thread{'s'[:threads > 1]}", f"{image} convert -q {d} o.vmdk --threads {threads}", ["o.vmdk"], "vmdk", threads))
    found.append(
        Row(
            "qemu-img twice, tar, sha256sum",
            f"{q_vmdk} d.vmdk; sha256sum d.vmdk >d.mf; tar --format=ustar -cf d.ova d.mf d.vmdk; {q_vhdx} d.vhdx; sha256sum d.ova d.vhdx >SHA256SUMS; sync d.ova d.vhdx SHA256SUMS",
            ["d.ova", "d.vhdx"], "all", rival=True,
        )
    )
    for threads in a.threads:
        found.append(Row(f"eyot-image images, {threads} thread{'s'[:threads > 1]}", f"{image} images -q {d} --out-dir . --name d --threads {threads}", ["d.ova", "d.vhdx"], "all", threads))
    found.append(Row("qemu-img vhdx, dynamic", f"{q_vhdx} o; sync o", ["o"], "vhdx", rival=True))
    finished = shlex.quote(str(a.work / "finished.vhdx"))
    found.append(Row("cp of the finished VHDX", f"cp --reflink=never --sparse=never {finished} o; sync o", ["o"], "vhdx"))
    for threads in a.threads:
        found.append(Row(f"eyot-image vhdx, {threads} thread{'s'[:threads > 1]}", f"{image} vhdx -q {d} o.vhdx --threads {threads}", ["o.vhdx"], "vhdx", threads))
    if part:
        found.append(Row("cp --sparse=never", f"cp --reflink=never --sparse=never {p} o; sync o", ["o"], "fixed", rival=True))
        for threads in a.threads:
            found.append(Row(f"eyot-image vhdx, fixed, {threads} thread{'s'[:threads > 1]}", f"{image} vhdx -q --allocation fixed {p} o.vhdx --threads {threads}", ["o.vhdx"], "fixed", threads))
    return found


def check(a, disk):
    """What is measured is right: contents compared once by qemu-img. The VHDX stays, to be copied."""
    for command, name, kind in (("convert", "check.vmdk", "vmdk"), ("vhdx", "finished.vhdx", "vhdx")):
        made = a.work / name
        subprocess.run([a.image, command, "-q", disk, made], check=True)
        compared = subprocess.run(["qemu-img", "compare", "-f", kind, "-F", "raw", made, disk], stdout=subprocess.DEVNULL)
        if compared.returncode != 0:
            sys.exit(f"bench images: the {kind} differs from the disk; nothing to measure")
    (a.work / "check.vmdk").unlink()


def first(disk, length, to):
    """A sparse copy of the disk's first bytes."""
    subprocess.run(["dd", f"if={disk}", f"of={to}", "bs=1M", f"count={length // MIB}", "conv=sparse", "status=none"], check=True)
    os.truncate(to, min(length, os.stat(disk).st_size))
    return to


def table(found, heading):
    lines = [heading, "", "| job | tool | wall s | user s | sys s | CPU s | peak MiB | output MB | speed per core | speed | threads pay |", "|---|---|---|---|---|---|---|---|---|---|---|"]
    jobs = {"vmdk": "VMDK", "all": "OVA, VHDX, sums", "vhdx": "VHDX", "fixed": "fixed VHDX"}
    for row in found:
        rival = next(r for r in found if r.job == row.job and r.rival)
        alone = row.name.replace(f"{row.threads} threads", "1 thread")
        one = next((r for r in found if r.job == row.job and r.name == alone), None)
        pays = f"{one.wall / row.wall / row.threads:.2f} · {row.threads}" if one and row.threads > 1 else ""
        lines.append(
            f"| {jobs[row.job]} | {row.name} | {row.wall:.1f} | {row.median(1):.1f} | {row.median(2):.1f} | {row.cpu:.1f} | {row.median(3):.0f} | {row.size / 1e6:.0f} "
            f"| {rival.cpu / row.cpu:.2f} | {rival.wall / row.wall:.2f} | {pays} |"
        )
    return lines


def bless(docs, lines):
    text = docs.read_text()
    if BEGIN not in text or END not in text:
        sys.exit(f"bench images: {docs} has no place for the table, {BEGIN} to {END}")
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    docs.write_text(f"{head}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{tail}")


def main():
    p = argparse.ArgumentParser()
    for name in ("image", "vmdk-convert", "disk", "label"):
        p.add_argument(f"--{name}", required=True)
    for name in ("work", "docs"):
        p.add_argument(f"--{name}", required=True, type=pathlib.Path)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--threads", type=lambda s: [int(n) for n in s.split(",")], default=[1, 2])
    p.add_argument("--first", type=int, default=0)
    p.add_argument("--fixed", type=int, default=1024)
    p.add_argument("--bless", action="store_true")
    a = p.parse_args()
    disk = pathlib.Path(a.disk)
    if a.first:
        disk = first(disk, a.first * MIB, a.work / "disk.raw")
    part = first(disk, a.fixed * MIB, a.work / "part.raw") if a.fixed else None
    check(a, disk)
    found = rows(a, disk, part)
    for _ in range(a.runs):
        for row in found:
            row.run(a.work)
    stat = os.stat(disk)
    load = os.getloadavg()[2]
    what = f"{a.label}, its first {a.first} MiB" if a.first else a.label
    heading = (
        f"Medians of {a.runs}: {what}, {stat.st_size / 1e6:.0f} MB, {stat.st_blocks * 512 / 1e6:.0f} MB of them allocated; "
        f"fixed VHDX of the first {a.fixed} MiB. {os.cpu_count()} processors, load {load:.1f} while it ran."
    )
    lines = table(found, heading)
    print("\n".join(lines))
    if a.bless:
        bless(a.docs, lines)


main()
