# shellcheck shell=bash disable=SC2034 # what is set here is used by whoever sources this
# Where a bake starts: one of our bases, or somebody's own disk. Sourced after run.sh and apt.sh.
# Each sets BASE_DISK (a file here), BASE_KEY (what decides its contents) and BASE_CHECKSUM (as Packer takes it).

# How long a reachable archive may take to answer; a closed network must not hold up a build.
readonly BASE_PROBE_SECONDS=5

# Takes ubuntu-18.04 when its image is here or can be had, debian-12 otherwise, and never quietly.
choose_base() {
  if [[ -e $(ubuntu_1804_file) ]]; then
    BASE_NAME=ubuntu-18.04
    say "base: ubuntu-18.04, from the cache"
  elif curl --silent --fail --head --location --max-time "$BASE_PROBE_SECONDS" --output /dev/null "$(base_variable ubuntu-18.04 base_url)"; then
    BASE_NAME=ubuntu-18.04
    say "base: ubuntu-18.04, its archive answers"
  else
    BASE_NAME=debian-12
    say "****************************************************************************************************"
    say "*  base: debian-12 INSTEAD OF ubuntu-18.04. Ubuntu's image is not in $CACHE/bases"
    say "*  and its archive did not answer within $BASE_PROBE_SECONDS seconds. The artefacts' names and VERSION say debian-12."
    say "*  To bake on Ubuntu, run this where the archive is reachable, or put the image there as"
    say "*  $(ubuntu_1804_file)"
    say "****************************************************************************************************"
  fi
}

prepare_base() { # NAME
  case $1 in
    debian-12) prepare_debian_12 ;;
    ubuntu-18.04) prepare_ubuntu_1804 ;;
    *) die "no base called $1; there are ubuntu-18.04 and debian-12, or give your own with --base-image and --base-name" ;;
  esac
}

prepare_debian_12() {
  BASE_KEY=$("$ROOT/scripts/base/debian-12" --key)
  BASE_DISK=$CACHE/bases/debian-12-$BASE_KEY.raw
  BASE_CHECKSUM=$(base_variable debian-12 base_checksum)
  if [[ -e $BASE_DISK ]]; then
    say "base disk in the cache: $BASE_DISK"
    return
  fi
  mkdir -p "$CACHE/bases"
  remove_at_exit "$BASE_DISK.part"
  as_root "$ROOT/scripts/base/debian-12" "$BASE_DISK.part" >&2
  as_root chown "$(id -u):$(id -g)" "$BASE_DISK.part"
  mv "$BASE_DISK.part" "$BASE_DISK"
  keep_newest 2 "$CACHE"/bases/debian-12-*.raw
}

prepare_ubuntu_1804() {
  local url sum
  url=$(base_variable ubuntu-18.04 base_url)
  BASE_CHECKSUM=$(base_variable ubuntu-18.04 base_checksum)
  BASE_KEY=$BASE_CHECKSUM
  BASE_DISK=$(ubuntu_1804_file)
  if [[ ! -e $BASE_DISK ]]; then
    mkdir -p "$CACHE/bases"
    say "fetching $url"
    # What is there of an interrupted fetch is continued; the checksum below decides whether it is any good.
    curl --silent --show-error --fail --location --retry 3 --continue-at - --output "$BASE_DISK.part" "$url" ||
      die "could not fetch $url; put the image there yourself as $BASE_DISK, or use --base debian-12"
    mv "$BASE_DISK.part" "$BASE_DISK"
  fi
  sum=sha256:$(sha256sum <"$BASE_DISK" | cut -d' ' -f1)
  if [[ $sum != "$BASE_CHECKSUM" ]]; then
    mv "$BASE_DISK" "$BASE_DISK.refused"
    die "$BASE_DISK has $sum but packer/bases/ubuntu-18.04.pkrvars.hcl pins $BASE_CHECKSUM; the file is kept as ${BASE_DISK##*/}.refused"
  fi
}

prepare_own_base() { # FILE
  [[ -r $1 ]] || die "cannot read the base image $1"
  BASE_DISK=$(realpath "$1")
  BASE_CHECKSUM=sha256:$(sha256sum <"$BASE_DISK" | cut -d' ' -f1)
  BASE_KEY=$BASE_CHECKSUM
}

ubuntu_1804_file() {
  local serial
  serial=$(base_variable ubuntu-18.04 base_url | sed 's|.*/release-\([0-9]*\)/.*|\1|')
  echo "$CACHE/bases/ubuntu-18.04-$serial.img"
}

base_variable() { # BASE_NAME VARIABLE: the value in the base's Packer variables
  sed -n "s/^$2 *= *\"\(.*\)\"\$/\1/p" "$ROOT/packer/bases/$1.pkrvars.hcl"
}
