#!/bin/sh
# In the guest, as root, last of the provisioners: removes what must differ between machines and what the bake left
# behind, as far as that is possible while Packer is still logged in. 99-farewell.sh does the rest.
set -eu

# Identity: made anew at first boot.
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id
rm -f /etc/ssh/ssh_host_*
rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret /var/lib/urandom/random-seed

# The bake's network: the agent writes its own.
rm -f /etc/netplan/*.yaml /etc/netplan/*.yml /etc/systemd/network/*.network /etc/udev/rules.d/70-persistent-net.rules
rm -rf /var/lib/dhcp/* /var/lib/NetworkManager/*

# Packages: caches and lists can be fetched again.
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/lib/dpkg/*-old

# Settings of nobody: the image carries none.
rm -rf /etc/eyot/seed.toml /etc/eyot/local.toml /var/lib/eyot/* /var/lib/eyot-sensor/*
