# shellcheck shell=bash
# How much memory a script and everything it started held at once. Sourced after run.sh.
# Sampled, because the kernel only keeps the peak of single processes. Resident sets are added up, so pages that processes
# share count more than once: the figure is an upper bound.

readonly MEMORY_SAMPLE_SECONDS=1
readonly MEMORY_PAGE_KIB=4

watch_memory() {
  MEMORY_PEAK_FILE=$(mktemp)
  remove_at_exit "$MEMORY_PEAK_FILE"
  echo 0 >"$MEMORY_PEAK_FILE"
  sample_memory $$ "$MEMORY_PEAK_FILE" &
  # It ends by itself when the script is gone; nobody waits for it.
  disown $!
}

sample_memory() { # PID FILE: keeps the highest sum so far, in KiB, in FILE
  local pid=$1 file=$2 peak=0 now
  while sleep "$MEMORY_SAMPLE_SECONDS" && [[ -e /proc/$pid && -e $file ]]; do
    # Fields of /proc/PID/stat after the name in parentheses: 2 is the parent, 22 the resident pages.
    # Processes that end meanwhile are no reason to stop.
    now=$({ cat /proc/[0-9]*/stat 2>/dev/null || true; } | awk -v root="$pid" -v page="$MEMORY_PAGE_KIB" '
      { id = $1; sub(/^.*\) /, ""); parent[id] = $2; pages[id] = $22 }
      END {
        for (id in parent) {
          for (up = id; up in parent && up != root; up = parent[up]) continue
          if (up == root) sum += pages[id]
        }
        print sum * page
      }')
    if ((now > peak)); then
      peak=$now
      echo "$peak" >"$file"
    fi
  done
}

peak_memory() { # in MiB
  echo "$(($(<"$MEMORY_PEAK_FILE") / 1024)) MiB"
}
