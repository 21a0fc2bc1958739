# shellcheck shell=bash disable=SC2034 # what is set here is used by whoever sources this
# The four programs, built to run on glibc 2.27, and the two packages made from them. Sourced after setup.sh.

readonly PROGRAMS=(eyot-sensor eyot-appliance eyot-image eyot-portal)
# Crates that are packages, by the name both have.
readonly PACKAGES=(eyot-sensor eyot-portal)

BINARIES=$TARGET_DIR/$TRIPLE/release

build_binaries() {
  local -a selected=()
  local program
  for program in "${PROGRAMS[@]}"; do selected+=(-p "$program"); done
  # Paths of this machine have no place in a binary; with them gone, another checkout gives the same bytes.
  export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="--remap-path-prefix=$ROOT=eyot --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
  (cd "$ROOT" && cargo zigbuild --locked --release --target "$TRIPLE.$GLIBC" --bins "${selected[@]}") >&2 ||
    die "the programs did not build; cargo's words are above"
}

check_symbols() {
  local program
  local -a files=()
  for program in "${PROGRAMS[@]}"; do files+=("$BINARIES/$program"); done
  "$ROOT/scripts/check-symbols" "${files[@]}" >&2
}

# Same sources, same bytes: every date in a package is the commit's.
build_packages() { # DIRECTORY
  local package
  for package in "${PACKAGES[@]}"; do
    (cd "$ROOT" && SOURCE_DATE_EPOCH=$(source_date) cargo deb --quiet --locked -p "$package" --no-build --no-strip \
      --target "$TRIPLE" --output "$1/") >&2 || die "the package $package was not made; cargo-deb's words are above"
  done
}

version() {
  (cd "$ROOT" && cargo metadata --locked --no-deps --format-version 1) |
    python3 -c 'import json, sys; print(next(p["version"] for p in json.load(sys.stdin)["packages"] if p["name"] == "eyot-sensor"))'
}

commit() { # with a mark when the tree differs from it
  git -C "$ROOT" describe --always --dirty --abbrev=12 --exclude '*'
}

source_date() { # seconds since 1970
  git -C "$ROOT" log -1 --format=%ct
}
