# shellcheck shell=bash disable=SC2034 # what is set here is used by whoever sources this
# Other people's readers of our formats, beyond those every test needs. Sourced after setup.sh and libpcap.sh.

readonly READER_PACKAGES=(
  gcc libc6-dev make zlib1g-dev xz-utils python3
  qemu-utils 7zip libvmdk-utils python3-libvmdk libvhdi-utils python3-libvhdi
)

# open-vmdk is packaged for Debian since 2025: the source comes from there, checked by apt, and is built here.
# Tried: 0.3.13. Not pinned, because that suite keeps only the newest.
readonly OPEN_VMDK_SUITE=sid

# Builds vmdk-convert unless cached; its path is VMDK_CONVERT afterwards.
vmdk_convert() {
  local place=$CACHE/tools/open-vmdk work tarball
  VMDK_CONVERT=$place/vmdk-convert
  if [[ -x $VMDK_CONVERT ]]; then return; fi
  say "building vmdk-convert"
  work=$(mktemp -d "$CACHE/open-vmdk.XXXXXX")
  remove_at_exit "$work"
  fetch_debian_source "$work" "$OPEN_VMDK_SUITE" open-vmdk
  tarball=$(find "$work" -maxdepth 1 -name 'open-vmdk_*.orig.tar.*' ! -name '*.asc')
  mkdir "$work/source"
  tar -C "$work/source" --strip-components=1 -xf "$tarball"
  make -C "$work/source/vmdk" >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    die "vmdk-convert did not build; its last words are above"
  }
  mkdir -p "$place"
  mv "$work/source/build/vmdk/vmdk-convert" "$place/"
  rm -rf "$work"
}

# Fetches a source package of another Debian SUITE with apt's own verification, without touching this machine's lists.
fetch_debian_source() { # DIRECTORY SUITE PACKAGE
  local directory=$1 suite=$2 package=$3 mirror key=/usr/share/keyrings/debian-archive-keyring.gpg
  mirror=${EYOT_DEBIAN_MIRROR:-$(apt_mirrors_of_this_machine | awk '$3 == "main" && $4 == "Debian" && $1 !~ /security/ { print $1; exit }')}
  [[ -n $mirror ]] || die "apt knows no Debian archive here; set EYOT_DEBIAN_MIRROR to one"
  [[ -e $key ]] || die "the keys of Debian's archive are not in $key; install debian-archive-keyring"
  mkdir -p "$directory/lists/partial"
  echo "deb-src [signed-by=$key] $mirror $suite main" >"$directory/src.list"
  local -a options=(
    -q -o "Dir::Etc::sourcelist=$directory/src.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$directory/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
  )
  (cd "$directory" && apt-get "${options[@]}" update && apt-get "${options[@]}" source --download-only "$package") \
    >"$directory/apt.log" 2>&1 || {
    tail -n 20 "$directory/apt.log" >&2
    die "could not fetch the source of $package from $suite; apt's last words are above"
  }
}
