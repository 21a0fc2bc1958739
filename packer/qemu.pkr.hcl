# The qemu platform: bakes on this machine, with or without KVM. UEFI is not needed here: the disk boots both ways, and
# what is baked does not depend on the firmware.

variable "accelerator" {
  type        = string
  default     = "tcg"
  description = "Either kvm or tcg, as scripts/lib/accelerator.sh found by booting something."
}

variable "serial_log" {
  type        = string
  default     = "/dev/null"
  description = "Where the guest's serial console goes; outside the output directory, which a failing bake loses."
}

source "qemu" "appliance" {
  iso_url      = var.base_url
  iso_checksum = var.base_checksum
  disk_image   = true

  vm_name          = local.disk_name
  output_directory = var.output_directory
  format           = "raw"
  disk_size        = var.disk_size
  disk_interface   = "virtio-scsi"
  # What the guest trims becomes holes in the raw file, which the image writers then skip.
  disk_discard       = "unmap"
  disk_detect_zeroes = "unmap"

  accelerator = var.accelerator
  cpus        = 2
  memory      = 2048
  net_device  = "virtio-net"
  headless    = true
  qemuargs = concat(
    [["-serial", "file:${var.serial_log}"]],
    var.accelerator == "kvm" ? [["-cpu", "host"]] : []
  )

  cd_files = local.seed_files
  cd_label = "cidata"

  communicator           = "ssh"
  ssh_username           = local.build_user
  ssh_private_key_file   = var.ssh_private_key_file
  ssh_timeout            = local.ssh_timeout
  ssh_handshake_attempts = 100
  shutdown_command       = local.seal_and_power_off
  shutdown_timeout       = "10m"
}
