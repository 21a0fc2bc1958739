# shellcheck shell=bash
# What a table of measurements says of the machine it was made on. Sourced after run.sh.

# The last minute's load average: before a measurement begins it says what else the machine has to do.
load_now() { cut -d' ' -f1 /proc/loadavg; }

# One line: processor, kernel, day, and the load before the measurement began.
machine_words() { # LOAD
  local model
  model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
  printf '%s, %s processors, Linux %s, %s; load before it began: %s.\n' "${model:-unknown processor}" "$(nproc)" \
    "$(uname -r)" "$(date -u +%F)" "$1"
}
