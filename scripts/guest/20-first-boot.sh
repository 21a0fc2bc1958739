#!/bin/sh
# In the guest, as root: makes first boot behave: cloud-init delivers seeds and leaves the network alone.
set -eu
from=/tmp/eyot-bake/cloud-init

install -D -m 0644 "$from/99-eyot.cfg" /etc/cloud/cloud.cfg.d/99-eyot.cfg
install -D -m 0644 "$from/ds-identify.cfg" /etc/cloud/ds-identify.cfg

# Left by installers; each would pin a datasource or a network of the machine the base was installed on.
rm -f /etc/cloud/cloud.cfg.d/99-installer.cfg /etc/cloud/cloud.cfg.d/subiquity-disable-cloudinit-networking.cfg \
  /etc/cloud/cloud.cfg.d/50-curtin-networking.cfg /etc/cloud/cloud-init.disabled
