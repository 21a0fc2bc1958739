#!/bin/sh
# In the guest, as root: installs the eyot-sensor package that Packer has put beside this script's directory.
set -eu
deb=/tmp/eyot-bake/eyot-sensor.deb
export DEBIAN_FRONTEND=noninteractive

# Nothing may start in here: the agent would set up a network for the machine that bakes.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d

# On an appliance SSH is the owner's decision (management.ssh), not the package's.
echo 'eyot-sensor eyot-sensor/ssh boolean false' | debconf-set-selections

# A base that already holds what the package depends on (debian-12) needs no network here; another fetches it.
if ! apt-get install --yes --no-install-recommends "$deb"; then
  apt-get update
  apt-get install --yes --no-install-recommends "$deb"
fi
rm /usr/sbin/policy-rc.d

eyot-sensor --version
eyot-appliance --version
