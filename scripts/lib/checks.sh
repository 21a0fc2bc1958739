# shellcheck shell=bash
# Counting checks: one line each, what a failing one said below it. Sourced after run.sh.

CHECKS_PASSED=0
CHECKS_FAILED=0

check() { # NAME COMMAND...
  local name=$1 output started=$SECONDS
  shift
  if output=$("$@" 2>&1); then
    CHECKS_PASSED=$((CHECKS_PASSED + 1))
    printf 'ok      %4ds  %s\n' $((SECONDS - started)) "$name"
  else
    CHECKS_FAILED=$((CHECKS_FAILED + 1))
    printf 'FAILED  %4ds  %s\n' $((SECONDS - started)) "$name"
    printf '        %s\n' "${output//$'\n'/$'\n        '}"
  fi
}

checks_end() {
  printf '%d passed, %d failed\n' "$CHECKS_PASSED" "$CHECKS_FAILED"
  ((CHECKS_FAILED == 0))
}
