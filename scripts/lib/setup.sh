# shellcheck shell=bash
# Everything the scripts need on a bare machine, installed once and skipped quickly afterwards. Sourced after run.sh.
# The system gets packages from its own archive; tools of other origin go to .cache/tools, not to the user's places.

readonly ZIGBUILD_VERSION=0.24.1
readonly CARGO_DEB_VERSION=3.8.0
readonly ZIG_VERSION=0.17.1
# The last Packer under the MPL, with its builders inside; built from source where the archive has none (Ubuntu 24.04).
readonly PACKER_VERSION=1.9.4

# shellcheck source=scripts/lib/go.sh
source "$(dirname "${BASH_SOURCE[0]}")/go.sh"

# Building binaries, packages, the base disk and the image.
readonly BUILD_PACKAGES=(
  # compilers and what libpcap's build wants
  gcc libc6-dev make flex bison python3 python3-venv binutils xz-utils git ca-certificates curl
  # the base disk
  mmdebstrap debian-archive-keyring gdisk fdisk mtools e2fsprogs mount util-linux
  # the bake
  qemu-system-x86 qemu-utils xorriso openssh-client
)

# Testing on top of it.
readonly TEST_PACKAGES=(
  shellcheck
  # booting under UEFI, playing captures into a guest's port, looking at what comes out
  ovmf iproute2 tcpreplay tcpdump nftables ethtool netplan.io dnsmasq-base faketime fdisk
  # other people's readers of our formats
  genisoimage libxml2-utils openssl
  # the portal's other database, and destinations of its events
  postgresql nats-server python3-aiosmtpd
)

# The site matrix's servers.
readonly SITE_PACKAGES=(
  squid-openssl chrony faketime libfaketime dnsmasq-base nftables iproute2 ethtool curl python3 openssl apt
)

# The portal in a browser, with a sensor that hears a capture.
# Node packaged by others brings npm along and conflicts with the archive's.
BROWSER_PACKAGES=(chromium curl iproute2 procps tcpreplay python3 openssl)
command -v npm >/dev/null || BROWSER_PACKAGES+=(nodejs npm)
readonly BROWSER_PACKAGES

# The servers that the sensor's Azure tests stand up; squid is the site matrix's too.
AZURE_PACKAGES=(squid-openssl mosquitto openssl python3)
command -v npm >/dev/null || AZURE_PACKAGES+=(nodejs npm)
readonly AZURE_PACKAGES

install_packages() { # PACKAGE...
  local -a missing
  mapfile -t missing < <(comm -13 \
    <(dpkg-query --show --showformat '${db:Status-Abbrev}${Package}\n' | sed -n 's/^ii //p' | sort -u) \
    <(printf '%s\n' "$@" | sort -u))
  if ((${#missing[@]} == 0)); then return; fi
  say "installing: ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2
  # RUNLEVEL: servers are started by what needs them, not by their packages
  as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -q -y --no-install-recommends "${missing[@]}" >&2 ||
    die "could not install ${missing[*]}; apt's words are above"
}

need_rust() {
  command -v cargo >/dev/null || PATH=$HOME/.cargo/bin:$PATH
  command -v cargo >/dev/null || die "no cargo: install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml") or newer first (rustup)"
  if command -v rustup >/dev/null; then
    rustup target list --installed | grep -qx "$TRIPLE" || rustup target add "$TRIPLE" >&2
  fi
}

# The user's own copy serves when it is the version that was tried; otherwise one is built beside the caches.
cargo_tool() { # CRATE VERSION
  local crate=$1 version=$2
  PATH=$CACHE/tools/bin:$PATH
  if [[ $("$crate" --version 2>/dev/null) == *" $version" || $("$crate" --version 2>/dev/null) == "$version" ]]; then return; fi
  say "building $crate $version"
  cargo install --quiet --locked --root "$CACHE/tools" --version "$version" "$crate" >&2 || die "could not build $crate $version"
}

# Zig comes as a Python wheel; cargo-zigbuild finds it through the environment's python.
zig() {
  local place=$CACHE/tools/zig-$ZIG_VERSION
  if [[ ! -e $place/complete ]]; then
    say "installing zig $ZIG_VERSION"
    rm -rf "$place"
    python3 -m venv "$place"
    "$place/bin/pip" install --quiet "ziglang==$ZIG_VERSION" >&2 || die "could not install ziglang $ZIG_VERSION"
    local tool
    for tool in cc ar ranlib; do
      printf '#!/bin/sh\nexec "%s/bin/python" -m ziglang %s "$@"\n' "$place" \
        "$tool$([[ $tool != cc ]] || echo " -target x86_64-linux-gnu.$GLIBC")" >"$place/bin/z$tool"
      chmod 755 "$place/bin/z$tool"
    done
    touch "$place/complete"
  fi
  PATH=$place/bin:$PATH
}

# The user's own Packer, the archive's, or one built here. 1.10 and newer come without builders and fetch the one named in
# packer/plugins.
packer_tool() {
  PATH=$CACHE/tools/bin:$PATH
  if ! command -v packer >/dev/null; then
    if apt-cache show packer >/dev/null 2>&1; then
      install_packages packer
    else
      packer_from_source
      PATH=${PACKER_FREE%/*}:$PATH
    fi
  fi
  local version
  version=$(packer version | sed -n '1s/^Packer v//p')
  if [[ $(printf '%s\n' 1.10.0 "$version" | sort -V | head -n 1) == 1.10.0 ]]; then
    packer init "$ROOT/packer/plugins" >&2 || die "Packer $version could not fetch its builders"
  fi
}

# Sets up for building; afterwards the tools are on PATH and libpcap is found by the pcap crate.
setup_build() {
  mkdir -p "$CACHE/tools"
  install_packages "${BUILD_PACKAGES[@]}"
  need_rust
  cargo_tool cargo-zigbuild "$ZIGBUILD_VERSION"
  cargo_tool cargo-deb "$CARGO_DEB_VERSION"
  packer_tool
  zig
  libpcap
}

# What `cargo test -p eyot-sensor --test azure` needs: packages, and Azurite as tests/azure/package-lock.json pins it.
setup_azure() {
  local place=$CACHE/tools/azurite
  install_packages "${AZURE_PACKAGES[@]}"
  if cmp --silent "$ROOT/tests/azure/package-lock.json" "$place/package-lock.json" && [[ -e $place/complete ]]; then return; fi
  say "installing Azurite"
  rm -rf "$place"
  mkdir -p "$place"
  cp "$ROOT"/tests/azure/package{,-lock}.json "$place/"
  (cd "$place" && npm ci --silent --no-audit --no-fund) >&2 || die "npm could not install tests/azure/package-lock.json"
  touch "$place/complete"
}

setup_test() {
  install_packages "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}" "${SITE_PACKAGES[@]}" "${BROWSER_PACKAGES[@]}"
  setup_build
  setup_azure
}
