#!/bin/sh
# In the guest, as root, in a unit of its own: removes the build user, cloud-init's state and the logs, trims the disk
# and powers off. Packer has no connection any more, so what goes wrong is said on the serial console; the machine then
# stays on and Packer's shutdown timeout fails the bake.
set -eu
exec >/dev/console 2>&1
sealed=no
say_if_not_sealed() { [ "$sealed" = yes ] || echo "eyot-farewell: a step failed; this image is not sealed"; }
trap say_if_not_sealed EXIT

user=eyot-build
# Packer closes its connection by itself once the command is accepted.
sleep 2
loginctl terminate-user "$user" || true # already gone is fine
pkill -KILL -u "$user" || true
sleep 1
userdel --force --remove "$user"
rm -f /etc/sudoers.d/90-cloud-init-users
rm -f /root/.ssh/authorized_keys
# The account tools keep the state before the last change, which still has the user in it.
rm -f /etc/passwd- /etc/shadow- /etc/group- /etc/gshadow- /etc/subuid- /etc/subgid-

# No trace of the bake's instance: the appliance's first boot is a first boot.
cloud-init clean --logs --seed
rm -rf /var/lib/cloud

# Nothing may be written after this: no journal, no random seed saved by the shutdown (two machines must not share one).
mkdir -p /run/systemd/journald.conf.d
printf '[Journal]\nStorage=volatile\n' >/run/systemd/journald.conf.d/zz-eyot-bake.conf
systemctl restart systemd-journald.service
systemctl mask --runtime systemd-random-seed.service
systemctl stop rsyslog.service syslog.socket 2>/dev/null || true # only where there is a syslog
find /var/log -type f -delete
rm -rf /var/log/journal/*
rm -f /var/lib/systemd/random-seed
rm -rf /tmp/eyot-bake /var/tmp/* /root/.bash_history /root/.cache
: >/etc/machine-id

sync
fstrim --all --verbose
sync
sealed=yes
echo "eyot-farewell: sealed"
systemctl poweroff
