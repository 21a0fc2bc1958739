# For Packer 1.10 and newer, which come without builders: `packer init packer/plugins` fetches the one that is needed.
# In a directory of its own because Packer 1.6.6 (Debian 12, builders included) does not know the block.

packer {
  required_plugins {
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = ">= 1.0.9"
    }
  }
}
