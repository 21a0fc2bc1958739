# shellcheck shell=bash
# Which accelerator QEMU can really use here. Sourced, or run by other tools: bash scripts/lib/accelerator.sh DISK
# /dev/kvm existing proves nothing: on some nested machines a boot sector runs and a kernel hangs. So the disk that is
# about to be used is booted (without being changed) until it asks for a login.

# Working KVM needs about ten seconds for this, on a busy machine perhaps thirty.
readonly ACCELERATOR_PROBE_SECONDS=45

# Prints "kvm" or "tcg".
probe_accelerator() { # DISK
  local disk=$1 serial qemu deadline found=tcg
  if [[ -r /dev/kvm && -w /dev/kvm ]]; then
    serial=$(mktemp)
    qemu-system-x86_64 -accel kvm -cpu host -m 1024 -smp 2 -display none -nodefaults -serial "file:$serial" \
      -drive "file=$disk,if=none,id=disk,snapshot=on,format=$(disk_format "$disk")" \
      -device virtio-scsi-pci -device scsi-hd,drive=disk >/dev/null 2>&1 </dev/null &
    qemu=$!
    disown "$qemu" # a QEMU that aborts is an answer, not something for the shell to report
    deadline=$((SECONDS + ACCELERATOR_PROBE_SECONDS))
    while ((SECONDS < deadline)) && kill -0 "$qemu" 2>/dev/null; do
      if grep -qa ' login:' "$serial"; then
        found=kvm
        break
      fi
      sleep 0.5
    done
    kill -KILL "$qemu" 2>/dev/null || true
    rm -f "$serial"
  fi
  echo "$found"
}

disk_format() { # DISK: as QEMU names formats
  qemu-img info --output=json "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["format"])'
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  [[ $# -eq 1 ]] || { echo "usage: ${0##*/} DISK" >&2; exit 2; }
  probe_accelerator "$1"
fi
