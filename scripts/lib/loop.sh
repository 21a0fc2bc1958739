# shellcheck shell=bash
# Disk images as block devices with a node for each partition, and letting go of them again. Needs root.

# losetup -P is not enough: without udev (containers) it makes no nodes. A partition outlives the losetup -d of whoever was
# killed before taking it away, and then stands in the way of the next disk on that device; the device is ours once it
# is attached, so what is found on it is nobody's.
attach_disk() { # DISK [LOSETUP-OPTION...]: prints the loop device; partition N is DEVICE + pN
  local device
  device=$(losetup --find --show "${@:2}" "$1") || return 1
  partx -d "$device" 2>/dev/null || true
  if ! partx -a "$device" >&2; then
    detach_disk "$device"
    return 1
  fi
  printf '%s\n' "$device"
}

detach_disk() { # DEVICE
  partx -d "$1" 2>/dev/null || true
  losetup -d "$1" || true
}
