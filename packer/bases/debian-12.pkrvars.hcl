# Debian 12 (bookworm), made on the spot by scripts/base/debian-12; scripts/build passes the disk as base_url. It has no
# checksum to pin: what decides its contents is that script, and the cache is keyed by the script's own hash.

base_checksum = "none"
