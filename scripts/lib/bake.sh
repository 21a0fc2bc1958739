# shellcheck shell=bash disable=SC2034 # what is set here is used by whoever sources this
# A base disk and a package in, a sealed raw disk out, by way of Packer. Sourced after run.sh, bases.sh, accelerator.sh.
# The result is cached by what goes in: the base's key, the package, the recipe.

# Packer does not phone home.
export CHECKPOINT_DISABLE=1

readonly BAKE_RECIPE=(
  "$ROOT"/packer/*.pkr.hcl
  "$ROOT"/cloud-init/bake/* "$ROOT"/cloud-init/image/*
  "$ROOT"/scripts/guest/*.sh
)

# Bakes unless the cache has it. Sets BAKED_DISK and BAKED_WITH (the accelerator it was baked with).
bake() { # BASE_NAME BASE_DISK BASE_KEY BASE_CHECKSUM DEB
  local base_name=$1 base_disk=$2 base_key=$3 checksum=$4 deb=$5 key work started
  local -a var_file=()
  key=$({ printf '%s\n' "$base_name" "$base_key"; content_key "${BAKE_RECIPE[@]}" "$deb"; } | sha256sum | cut -c1-16)
  BAKED_DISK=$CACHE/baked/$base_name-$key.raw
  if [[ -e $BAKED_DISK && -e $BAKED_DISK.accelerator ]]; then
    BAKED_WITH=$(<"$BAKED_DISK.accelerator")
    say "already baked from the same base, package and recipe: $BAKED_DISK"
    ln -sfn "${BAKED_DISK##*/}" "$CACHE/baked/$base_name.current"
    return
  fi
  mkdir -p "$CACHE/baked"
  say "probing for KVM"
  BAKED_WITH=$(probe_accelerator "$base_disk")
  say "accelerator: $BAKED_WITH"

  work=$(mktemp -d "$CACHE/bake.XXXXXX")
  remove_at_exit "$work"
  if [[ -e $ROOT/packer/bases/$base_name.pkrvars.hcl ]]; then var_file=("-var-file=$ROOT/packer/bases/$base_name.pkrvars.hcl"); fi
  make_seed "$work/seed" "$work/key"
  started=$SECONDS
  if ! PACKER_CACHE_DIR=$CACHE/packer packer build -color=false -only=qemu.appliance \
    "${var_file[@]}" \
    -var "base_url=$base_disk" -var "base_checksum=$checksum" \
    -var "deb=$deb" \
    -var "seed_directory=$work/seed" -var "ssh_private_key_file=$work/key" \
    -var "output_directory=$work/out" \
    -var "accelerator=$BAKED_WITH" -var "serial_log=$CACHE/bake-serial.log" \
    "$ROOT/packer" >&2; then
    die "the bake failed; Packer's words are above, the guest's console is in $CACHE/bake-serial.log"
  fi
  say "baked in $((SECONDS - started)) s"
  echo "$BAKED_WITH" >"$BAKED_DISK.accelerator"
  mv "$work/out/disk.raw" "$BAKED_DISK"
  ln -sfn "${BAKED_DISK##*/}" "$CACHE/baked/$base_name.current"
  keep_newest 2 "$CACHE/baked/$base_name"-*.raw
}

# The bake's own cidata: a user for Packer with a key that lives as long as this bake.
make_seed() { # DIRECTORY KEY_FILE
  local public_key
  mkdir -p "$1"
  ssh-keygen -q -t ed25519 -N '' -C eyot-bake -f "$2"
  public_key=$(<"$2.pub")
  sed "s|@PUBLIC_KEY@|$public_key|" "$ROOT/cloud-init/bake/user-data.in" >"$1/user-data"
  cp "$ROOT/cloud-init/bake/meta-data" "$ROOT/cloud-init/bake/network-config" "$1/"
}
