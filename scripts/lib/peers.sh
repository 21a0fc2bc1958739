# shellcheck shell=bash disable=SC2034 # what is set here is used by whoever sources this
# The tools the sensor is measured beside, and the traffic it is measured with. Sourced after run.sh, apt.sh and setup.sh.

# Suricata from the archive, or from the distribution's backports, whose lists are kept apart from the system's.
install_suricata() {
  if command -v suricata >/dev/null; then return; fi
  if apt-cache policy suricata | grep -q 'Candidate: [0-9]'; then
    install_packages suricata
    return
  fi
  local parts=$CACHE/backports uri release component origin suite='' key
  mkdir -p "$parts/sources" "$parts/lists/partial"
  while read -r uri release component origin; do
    if [[ $component == main && $origin == Debian && $release != *-* ]]; then suite=$release key=$uri; fi
  done < <(apt_mirrors_of_this_machine)
  [[ -n $suite ]] || die "this machine's archive has no suricata and no backports are known; install it, or leave it out with --only"
  {
    debian_sources "$suite" | sed 's|^deb |deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] |'
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $key $suite-backports main"
  } >"$parts/sources/all.list"
  local -a options=(-q -o "Dir::Etc::SourceList=-" -o "Dir::Etc::SourceParts=$parts/sources" -o "Dir::State::Lists=$parts/lists")
  say "installing suricata from $suite-backports"
  as_root apt-get update "${options[@]}" >&2
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${options[@]}" \
    -t "$suite-backports" suricata >&2 || die "could not install suricata; apt's words are above"
}

# Makes the two mixes, once, and sets MIX to their folder.
mixes() {
  local shared=${EYOT_SHARED:-$ROOT/../shared}
  MIX=$CACHE/bench/mix
  if [[ -e $MIX/complete ]]; then return; fi
  [[ -r $shared/tools/mkmix.sh ]] ||
    die "no captures to mix in $shared; name capture files, or the folder in EYOT_SHARED"
  rm -rf "$MIX"
  say "making the mixes, once"
  bash "$shared/tools/mkmix.sh" "$shared/captures" "$MIX" >&2
  touch "$MIX/complete"
}

# Frames and bytes of a classic pcap file of this machine's byte order; others are counted by tcpdump.
count_frames() { # FILE
  python3 - "$1" <<'EOF'
import mmap, struct, subprocess, sys
with open(sys.argv[1], "rb") as file:
    if file.read(4) not in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"):
        words = subprocess.run(["tcpdump", "--count", "-nn", "-r", sys.argv[1]], capture_output=True, text=True).stdout
        print(words.split()[0], file.seek(0, 2))
        sys.exit()
    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    at, frames, total, size, length = 24, 0, 0, len(data), struct.Struct("<I")
    while at + 16 <= size:
        (captured,) = length.unpack_from(data, at + 8)
        at += 16 + captured
        frames += 1
        total += captured
    print(frames, total)
EOF
}
