# What every platform's bake shares: the inputs and the steps inside the guest. Where the machine comes from is in one
# small file per platform beside this one; a new platform is one such file and one name under "sources". -only chooses:
#
#   packer build -only=qemu.appliance …        what scripts/build does (qemu.pkr.hcl)
#   packer build -only='vsphere-*' …           in a vCenter, from a template that is there (vsphere.pkr.hcl)
#   packer build -only='hyperv-*' …            on a Windows host with Hyper-V (hyperv.pkr.hcl)
#
# Valid for Packer 1.6.6 and newer. Plugins of newer Packers are named in plugins/, which 1.6.6 must not read.
# Everything without a default is given by scripts/build (scripts/lib/bake.sh); a platform's own variables have defaults, so
# that the other platforms' bakes need not name them.

variable "base_url" {
  type        = string
  description = "Base disk: a file on this machine, or the address it is fetched from. vSphere clones a template instead."
}

variable "base_checksum" {
  type        = string
  description = "sha256:HEX of the base disk. Only a disk that this machine has just made itself may say none."
}

variable "disk_size" {
  type        = string
  default     = "10240M"
  description = "Virtual size of the baked disk, in MiB with the suffix M; never smaller than the base."
}

variable "deb" {
  type        = string
  description = "The eyot-sensor package to install."
}

variable "seed_directory" {
  type        = string
  description = "Directory with user-data, meta-data and network-config for this one bake (cloud-init/bake, key filled in)."
}

variable "ssh_private_key_file" {
  type        = string
  description = "Private half of the key in the seed; made for this bake and thrown away after it."
}

variable "output_directory" {
  type        = string
  description = "Where the baked disk is put; must not exist. Packer empties it when the bake fails."
}

variable "vm_name" {
  type        = string
  default     = "eyot-bake"
  description = "Name of the virtual machine while it is baked (vSphere, Hyper-V)."
}

locals {
  disk_name  = "disk.raw"
  build_user = "eyot-build"
  bench      = "/tmp/eyot-bake"
  # The bake's own cidata; what is on it lets Packer in (cloud-init/bake).
  seed_files = [
    "${var.seed_directory}/user-data",
    "${var.seed_directory}/meta-data",
    "${var.seed_directory}/network-config",
  ]
  # A first boot takes about a minute without KVM on a quiet machine; a loaded one may need many.
  ssh_timeout = "30m"
  # The last act of a bake removes the user that Packer is logged in as, so it runs as a unit of its own. It powers the
  # machine off only when everything before succeeded; otherwise Packer's shutdown timeout fails the bake.
  seal_and_power_off = "sudo systemd-run --quiet --unit=eyot-farewell /bin/sh ${local.bench}/guest/99-farewell.sh"
}

build {
  sources = [
    "source.qemu.appliance",
    "source.vsphere-clone.appliance",
    "source.hyperv-iso.appliance",
  ]

  provisioner "shell" {
    inline = ["mkdir -p ${local.bench}/guest ${local.bench}/cloud-init"]
  }

  provisioner "file" {
    source      = var.deb
    destination = "${local.bench}/eyot-sensor.deb"
  }

  provisioner "file" {
    source      = "${path.root}/../cloud-init/image/"
    destination = "${local.bench}/cloud-init"
  }

  provisioner "file" {
    source      = "${path.root}/../scripts/guest/"
    destination = "${local.bench}/guest"
  }

  provisioner "shell" {
    inline = [
      "cd ${local.bench}",
      "sudo sh guest/10-install.sh",
      "sudo sh guest/20-first-boot.sh",
      "sudo sh guest/30-services.sh",
      "sudo sh guest/90-seal.sh",
    ]
    inline_shebang = "/bin/sh -eu"
  }
}
