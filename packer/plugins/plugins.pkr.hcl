# For Packer 1.10 and newer, which come without builders: `packer init packer/plugins` fetches those that the templates name.
# In a directory of its own because Packer 1.6.6 (Debian 12, builders included) does not know the block.

packer {
  required_plugins {
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = ">= 1.0.9"
    }
    vsphere = {
      source  = "github.com/hashicorp/vsphere"
      version = ">= 1.1.1"
    }
    hyperv = {
      source  = "github.com/hashicorp/hyperv"
      version = ">= 1.0.4"
    }
  }
}
