# shellcheck shell=bash disable=SC2034 # what is set here is used by whoever sources this
# How the scripts speak and where things are: phases with times, failures, caches. Sourced first by every script.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly ROOT
readonly CACHE=${EYOT_CACHE:-$ROOT/.cache}
TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target}
# The artefacts' target triple, as cargo knows it, and the oldest glibc they must run on (Ubuntu 18.04's).
readonly TRIPLE=x86_64-unknown-linux-gnu
readonly GLIBC=2.27

PHASE=""
PHASE_STARTED=0
PHASE_TIMES=()

say() { printf '%s\n' "$*" >&2; }

die() { # MESSAGE...: one line, exit 1
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Begins a phase and closes the one before; the times come back in the summary.
phase() { # NAME
  phase_end
  PHASE=$1
  PHASE_STARTED=$SECONDS
  printf '\n== %s\n' "$PHASE" >&2
}

phase_end() {
  if [[ -n $PHASE ]]; then PHASE_TIMES+=("$(printf '%4ds  %s' $((SECONDS - PHASE_STARTED)) "$PHASE")"); fi
  PHASE=''
}

phase_summary() {
  phase_end
  printf '%s\n' "${PHASE_TIMES[@]}" >&2
}

# What is half made when a script ends, however it ends, is removed.
TO_REMOVE=()
remove_at_exit() { TO_REMOVE+=("$@"); }
remove_half_made() { if ((${#TO_REMOVE[@]})); then rm -rf "${TO_REMOVE[@]}"; fi; }
trap remove_half_made EXIT

# Two scripts that write the same caches take turns; one that was called by the other goes on.
take_turns() {
  if [[ ${EYOT_TURN:-} == "$CACHE" ]]; then return; fi
  mkdir -p "$CACHE"
  exec {TURN_LOCK}>"$CACHE/lock"
  if ! flock --nonblock "$TURN_LOCK"; then
    say "another of Eyot's scripts is at work with $CACHE; waiting for it to end"
    flock "$TURN_LOCK"
  fi
  export EYOT_TURN=$CACHE
}

as_root() { # COMMAND...
  if ((EUID == 0)); then
    "$@"
  else
    command -v sudo >/dev/null || die "'$1' needs root and there is no sudo; run this script as root"
    sudo --preserve-env=EYOT_DEBIAN_MIRROR,TMPDIR "$@"
  fi
}

# Hashes files by name and content, however they are ordered or dated: keys of caches.
content_key() { # FILE...
  local file
  for file in "$@"; do printf '%s %s\n' "$(sha256sum <"$file" | cut -d' ' -f1)" "${file##*/}"; done | LC_ALL=C sort | sha256sum | cut -c1-16
}

# Keeps the newest COUNT of the files that match, so that caches keyed by content do not grow without end. A
# file's .accelerator note goes with it.
keep_newest() { # COUNT FILE...
  local count=$1 file
  shift
  # shellcheck disable=SC2012 # the names are our own: hexadecimal keys
  ls -1t "$@" 2>/dev/null | tail -n "+$((count + 1))" | while read -r file; do rm -rf "$file" "$file.accelerator"; done
}
