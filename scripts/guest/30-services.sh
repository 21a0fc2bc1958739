#!/bin/sh
# In the guest, as root: which services an appliance runs. On an appliance Eyot owns the network, so the units that a
# package on somebody's own server leaves off are turned on here; whatever calls out or listens by itself is turned off.
set -eu

has_unit() { systemctl list-unit-files --no-legend "$1" | grep -q .; }

systemctl enable eyot-network.service eyot-data.service eyot-firewall.service eyot-appliance.service
systemctl enable systemd-networkd.service systemd-networkd-wait-online.service systemd-resolved.service systemd-timesyncd.service

# The console shows the set-up wizard until the appliance is activated.
install -D -m 0644 /usr/share/eyot/console-tty1.conf /etc/systemd/system/getty@tty1.service.d/eyot.conf
install -D -m 0644 /usr/share/eyot/console-serial.conf /etc/systemd/system/serial-getty@ttyS0.service.d/eyot.conf

# Remote login is the owner's decision (a setting), not the image's.
for unit in ssh.service ssh.socket; do
  if has_unit "$unit"; then systemctl disable "$unit"; fi
done

# Everything that would call out on a schedule of its own. An appliance is replaced or told to update; it does not decide.
for unit in apt-daily.timer apt-daily-upgrade.timer apt-news.service esm-cache.service motd-news.timer \
  ua-timer.timer ua-messaging.timer ubuntu-advantage.service fwupd-refresh.timer unattended-upgrades.service \
  snapd.service snapd.socket snapd.seeded.service snapd.refresh.timer lxd.socket; do
  if has_unit "$unit"; then
    systemctl disable "$unit" || true # a static unit cannot be disabled; masking is what counts
    systemctl mask "$unit"
  fi
done

# Names are looked up by DNS and nothing else; LLMNR and mDNS would speak and listen on the management network.
mkdir -p /etc/systemd/resolved.conf.d
cat >/etc/systemd/resolved.conf.d/eyot.conf <<'CONF'
[Resolve]
LLMNR=no
MulticastDNS=no
CONF

# A management network without DHCP must not hold up the boot (the default waits two minutes): the agent says what is wrong.
mkdir -p /etc/systemd/system/systemd-networkd-wait-online.service.d
cat >/etc/systemd/system/systemd-networkd-wait-online.service.d/eyot.conf <<'CONF'
[Service]
ExecStart=
ExecStart=/lib/systemd/systemd-networkd-wait-online --timeout=30
CONF

# The journal survives a restart, within bounds.
mkdir -p /etc/systemd/journald.conf.d /var/log/journal
cat >/etc/systemd/journald.conf.d/eyot.conf <<'CONF'
[Journal]
Storage=persistent
SystemMaxUse=256M
CONF
