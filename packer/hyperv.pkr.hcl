# The Hyper-V platform: bakes on a Windows host as a Generation 2 machine with Secure Boot on. Validated, never run on one.
#
# The base is a disk, as for qemu, in Hyper-V's format (base_url ends in .vhdx: `eyot-image vhdx base.raw base.vhdx`); the
# builder then copies it instead of installing from a CD. Newer Packer needs the plugin named in plugins/. What comes out
# is a VHDX; ours are written from it:
#   qemu-img convert -O raw OUTPUT/disk.vhdx disk.raw && eyot-image images disk.raw --out-dir dist --name NAME

variable "hyperv_switch" {
  type        = string
  default     = "Default Switch"
  description = "Virtual switch with DHCP that the host reaches."
}

source "hyperv-iso" "appliance" {
  iso_url      = var.base_url
  iso_checksum = var.base_checksum

  vm_name          = var.vm_name
  output_directory = var.output_directory
  switch_name      = var.hyperv_switch
  headless         = true

  # As the appliance itself is run: Generation 2, Linux's Secure Boot template, static memory, 1 MiB blocks.
  generation            = 2
  enable_secure_boot    = true
  secure_boot_template  = "MicrosoftUEFICertificateAuthority"
  enable_dynamic_memory = false
  disk_block_size       = 1
  cpus                  = 2
  memory                = 2048

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
