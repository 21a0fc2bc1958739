# shellcheck shell=bash
# What is in the images and where it comes from, written beside them: bills of materials, licence texts, provenance, and
# the signature of the checksums. Sourced after run.sh, setup.sh, binaries.sh.

# Where the root file system of a disk starts, in bytes: in its largest partition.
root_start() { # DISK
  sfdisk --json "$1" | python3 -c 'import json, sys
table = json.load(sys.stdin)["partitiontable"]
print(max(table["partitions"], key=lambda p: p["size"])["start"] * table.get("sectorsize", 512))'
}

# The package database and the licence texts of a disk's root file system, read without mounting it.
read_disk() { # DISK DIRECTORY
  local start
  start=$(root_start "$1")
  mkdir -p "$2"
  debugfs -R "dump /var/lib/dpkg/status $2/status" "$1?offset=$start" 2>/dev/null
  debugfs -R "rdump /usr/share/doc $2" "$1?offset=$start" 2>/dev/null >&2
  # What the base was made of, as its archive signed it; our own bases have it.
  debugfs -R "dump /usr/share/eyot/base-packages.tsv $2/base-packages.tsv" "$1?offset=$start" >/dev/null 2>&1
  [[ -s $2/status && -d $2/doc ]] || die "$1 has no dpkg database where one is expected"
}

# NAME.cdx.json for the image, one for the portal's package, and NAME.licences.tar.xz.
write_contents() { # STAGE NAME VERSION BASE DISK_FACTS
  local stage=$1 name=$2 version=$3 base=$4 facts=$5
  local -a shared=(--version "$version" --date "$(source_date)" --root "$ROOT" --target "$TRIPLE")
  python3 "$ROOT/scripts/lib/sbom.py" "${shared[@]}" --name "$name" --program "$BINARIES/eyot-sensor" --program "$BINARIES/eyot-appliance" \
    --base "$base" --status "$facts/status" --doc "$facts/doc" --static "libpcap@$LIBPCAP_VER" >"$stage/$name.cdx.json"
  python3 "$ROOT/scripts/lib/sbom.py" "${shared[@]}" --name "eyot-portal_${version}_amd64" --program "$BINARIES/eyot-portal" \
    >"$stage/eyot-portal_${version}_amd64.cdx.json"
  local texts
  texts=$(mktemp -d "$CACHE/licences.XXXXXX")
  remove_at_exit "$texts"
  python3 "$ROOT/scripts/lib/licences.py" --root "$ROOT" --target "$TRIPLE" --program eyot-sensor --program eyot-appliance \
    --status "$facts/status" --doc "$facts/doc" "$texts"
  chmod -R u=rwX,go=rX "$texts"
  # One thread, because xz cuts its input by their number.
  tar -C "$texts" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$(source_date)" --create . |
    xz --threads=1 -6 >"$stage/$name.licences.tar.xz"
}

# NAME.provenance.json: after everything it speaks of.
write_provenance() { # STAGE NAME BASE BASE_DISK BAKED_DISK ACCELERATOR DISK_FACTS
  local stage=$1 name=$2 base=$3 base_disk=$4 baked=$5 accelerator=$6 facts=$7 tool path version
  local -a given=() dirty=no
  if [[ $(commit) == *-dirty ]]; then dirty=yes; fi
  while read -r tool version; do
    path=$(command -v "$tool") || die "no $tool; it was there a moment ago"
    given+=(--tool "$tool=$version=$(realpath "$path")")
  done < <(
    echo "packer $(packer version | sed -n '1s/^Packer v//p')"
    echo "qemu-system-x86_64 $(qemu-system-x86_64 --version | sed -n '1s/.*version \([^ ]*\).*/\1/p')"
    echo "cargo-zigbuild $ZIGBUILD_VERSION"
    echo "cargo-deb $CARGO_DEB_VERSION"
    echo "python3 $(python3 --version | cut -d' ' -f2)"
    if [[ $base == debian-12 ]]; then echo "mmdebstrap $(mmdebstrap --version | cut -d' ' -f2)"; fi
  )
  # rustup's proxy is not the compiler
  given+=(--tool "rustc=$(rustc --version | cut -d' ' -f2)=$(rustc --print sysroot)/bin/rustc")
  given+=(--tool "zig=$ZIG_VERSION=$(echo "$CACHE/tools/zig-$ZIG_VERSION"/lib/python3*/site-packages/ziglang/zig)")
  given+=(--source "libpcap=$LIBPCAP_VER=$LIBPCAP_LIBDIR/libpcap.a")
  python3 "$ROOT/scripts/lib/provenance.py" --base "$base" --base-disk "$(sha256sum <"$base_disk" | cut -d' ' -f1)" \
    --baked-disk "$(sha256sum <"$baked" | cut -d' ' -f1)" --commit "$(git -C "$ROOT" rev-parse HEAD)" --dirty "$dirty" \
    --root "$ROOT" --target "$TRIPLE" --program eyot-sensor --program eyot-appliance --program eyot-portal --program eyot-image \
    --status "$facts/status" --debs "$facts/base-packages.tsv" "${given[@]}" \
    --parameter "accelerator=$accelerator" --parameter "glibc=$GLIBC" --parameter "target=$TRIPLE" \
    "$stage"/* >"$CACHE/provenance.json.part"
  mv "$CACHE/provenance.json.part" "$stage/$name.provenance.json"
}

# Signs the checksums, and with them everything they cover.
sign_sums() { # STAGE KEY PASSWORD_FILE
  local -a password=()
  if [[ -n $3 ]]; then password=(--password-file "$3"); fi
  "$BINARIES/eyot-image" sign "$1/SHA256SUMS" --minisign-key "$2" "${password[@]}" >&2 || die "SHA256SUMS was not signed with $2"
}

# The convertible part once more: another directory, another number of threads, the same bytes.
convert_again() { # STAGE NAME VERSION BASE BAKED_DISK DISK_FACTS
  local stage=$1 name=$2 version=$3 base=$4 baked=$5 facts=$6 again file
  local -i different=0 compared=0
  again=$(mktemp -d "$CACHE/again.XXXXXX")
  remove_at_exit "$again"
  "$BINARIES/eyot-image" images "$baked" --out-dir "$again" --name "$name" --version "$version" --threads 1 >&2
  rm "$again/SHA256SUMS"
  write_contents "$again" "$name" "$version" "$base" "$facts"
  "$BINARIES/eyot-image" seed "$again/seed.iso" --hostname twice --proxy http://proxy.example:3128 >&2
  (cd "$CACHE" && "$BINARIES/eyot-image" seed "$again/../again-seed.iso" --hostname twice --proxy http://proxy.example:3128) >&2
  remove_at_exit "$CACHE/again-seed.iso"
  cmp "$again/seed.iso" "$CACHE/again-seed.iso" || different+=1
  rm "$again/seed.iso"
  for file in "$again"/*; do
    compared+=1
    cmp "$file" "$stage/${file##*/}" >&2 || different+=1
  done
  ((different == 0)) || die "$different of $((compared + 1)) artefacts are not the same when made again with one thread"
  say "made again with one thread in another directory: $((compared + 1)) artefacts, the same byte for byte"
  rm -rf "$again"
}
