# The vSphere platform: bakes in a vCenter from a template that is already there (a cloud image with open-vm-tools and
# cloud-init 21.3 or newer, whose VMware datasource reads the seed). Validated, never run against a vCenter.
#
# What comes out is an OVF with its disk. Ours is written from the disk, with the properties, sizes and networks that an
# exported machine has not:
#   qemu-img convert -O raw OUTPUT/NAME-1.vmdk disk.raw && eyot-image images disk.raw --out-dir dist --name NAME

variable "vcenter_server" {
  type        = string
  default     = ""
  description = "Name or address of the vCenter."
}

variable "vcenter_username" {
  type    = string
  default = ""
}

variable "vcenter_password" {
  type        = string
  default     = ""
  sensitive   = true
  description = "Give it as PKR_VAR_vcenter_password, not as an argument, which others on this machine could see."
}

variable "vcenter_template" {
  type        = string
  default     = ""
  description = "Template to clone: Debian or Ubuntu with cloud-init, one disk, one vmxnet3 adapter."
}

variable "vcenter_host" {
  type        = string
  default     = ""
  description = "ESXi host to bake on."
}

variable "vcenter_datastore" {
  type    = string
  default = ""
}

variable "vcenter_network" {
  type        = string
  default     = ""
  description = "Network with DHCP that this machine reaches."
}

source "vsphere-clone" "appliance" {
  vcenter_server = var.vcenter_server
  username       = var.vcenter_username
  password       = var.vcenter_password

  template  = var.vcenter_template
  host      = var.vcenter_host
  datastore = var.vcenter_datastore
  network   = var.vcenter_network
  vm_name   = var.vm_name
  CPUs      = 2
  RAM       = 2048

  # The seed by guestinfo, which needs no CD drive in the template. Base64, because user-data has lines.
  configuration_parameters = {
    "guestinfo.metadata"          = base64encode(file("${var.seed_directory}/meta-data"))
    "guestinfo.metadata.encoding" = "base64"
    "guestinfo.userdata"          = base64encode(file("${var.seed_directory}/user-data"))
    "guestinfo.userdata.encoding" = "base64"
  }

  communicator           = "ssh"
  ssh_username           = local.build_user
  ssh_private_key_file   = var.ssh_private_key_file
  ssh_timeout            = local.ssh_timeout
  ssh_handshake_attempts = 100
  shutdown_command       = local.seal_and_power_off
  shutdown_timeout       = "10m"

  export {
    force            = true
    output_directory = var.output_directory
  }
}
