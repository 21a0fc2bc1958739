# Ubuntu 18.04 LTS (bionic), the official cloud image. 20230607 is the last build of standard support, so this is as
# fixed as a base gets; without an Ubuntu Pro token it receives no security updates any more.
#
# The checksum is the one that two unrelated public repositories recorded for this build (an OpenStack image catalogue
# and a systemd compatibility matrix). The build refuses any other; should Canonical's own SHA256SUMS beside the image
# ever disagree, believe SHA256SUMS (its signature first) and correct the line below.

base_url      = "https://cloud-images.ubuntu.com/releases/bionic/release-20230607/ubuntu-18.04-server-cloudimg-amd64.img"
base_checksum = "sha256:8dd2e6b5e5aad20c3f836123b300cba9861249408cbb07c359145a65d6bab6b6"
