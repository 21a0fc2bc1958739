# shellcheck shell=bash
# A static libpcap for glibc 2.27, from the distribution's source, compiled by zig. Sourced after setup.sh.
#
# Why not the distribution's own libpcap.a: it needs libdbus and a newer glibc. Everything a sensor does not use (USB,
# Bluetooth, RDMA, remote capture) is left out; remote capture is also where most of its recent CVEs were.
# What zig's and GNU's linker need to take the archive for `-lpcap` is a one-line linker script named libpcap.so.

readonly LIBPCAP_SWITCHES=(
  --disable-shared --disable-usb --disable-dbus --disable-bluetooth --disable-rdma --disable-netmap --disable-remote
  --without-libnl --without-dpdk --without-snf --without-dag
)

# Builds it unless cached; exports LIBPCAP_LIBDIR and LIBPCAP_VER for the pcap crate.
libpcap() {
  local key place
  key=$({ content_key "${BASH_SOURCE[0]}"; echo "$ZIG_VERSION $GLIBC"; } | sha256sum | cut -c1-16)
  place=$CACHE/libpcap-$key
  if [[ ! -e $place/version ]]; then build_libpcap "$place"; fi
  LIBPCAP_LIBDIR=$place
  LIBPCAP_VER=$(<"$place/version")
  export LIBPCAP_LIBDIR LIBPCAP_VER
}

build_libpcap() { # DIRECTORY
  local place=$1 work tarball version
  say "building libpcap for glibc $GLIBC"
  work=$(mktemp -d "$CACHE/libpcap-build.XXXXXX")
  remove_at_exit "$work"
  fetch_source "$work" libpcap
  tarball=$(find "$work" -maxdepth 1 -name 'libpcap_*.orig.tar.*' ! -name '*.asc' | head -n 1)
  [[ -n $tarball ]] || die "apt fetched no libpcap source"
  version=${tarball##*/libpcap_}
  version=${version%%.orig.tar.*}
  mkdir -p "$work/source" "$work/build" "$work/out"
  tar -C "$work/source" --strip-components=1 -xf "$tarball"
  (
    cd "$work/build"
    CC=zcc AR=zar RANLIB=zranlib CFLAGS="-O2 -fPIC" ../source/configure --host=x86_64-linux-gnu "${LIBPCAP_SWITCHES[@]}"
    make libpcap.a
  ) >"$work/log" 2>&1 || {
    tail -n 30 "$work/log" >&2
    die "libpcap $version did not build; its last words are above"
  }
  cp "$work/build/libpcap.a" "$work/out/"
  echo 'INPUT(libpcap.a)' >"$work/out/libpcap.so"
  echo "$version" >"$work/out/version"
  rm -rf "$place"
  mv "$work/out" "$place"
}

# Fetches a source package with apt's own verification, from this machine's mirrors, without touching its configuration.
fetch_source() { # DIRECTORY PACKAGE
  local directory=$1 package=$2
  mkdir -p "$directory/lists/partial"
  source_lists_of_this_machine >"$directory/src.list"
  [[ -s $directory/src.list ]] || die "apt knows no archive here; /etc/apt must name one with a main component"
  local -a options=(
    -q -o "Dir::Etc::sourcelist=$directory/src.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$directory/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
  )
  (cd "$directory" && apt-get "${options[@]}" update && apt-get "${options[@]}" source --download-only "$package") \
    >"$directory/apt.log" 2>&1 || {
    tail -n 20 "$directory/apt.log" >&2
    die "could not fetch the source of $package; apt's last words are above"
  }
}
