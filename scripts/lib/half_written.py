"""What is half-written on an appliance's disk: half_written.py ROOT (where the disk is mounted).

Prints one line for everything that a power cut may have left and the next boot should have put right, and exits 1 if there
is any: files that are still being made, files their reader would refuse, an identity that is not whole, a seed that was
not taken away. Reads only.
"""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

import yaml

IDENTITY = {"key.pem", "certificate.pem", "ca.pem", "enrolment.json"}
# of these there is one of each on every appliance that is activated and has something to listen on
NEEDED = ["etc/eyot/firewall.nft", "etc/eyot/sensor.toml", "etc/netplan/60-eyot.yaml", "var/lib/eyot/forgotten.json"]


def pem(text):
    if not re.fullmatch(r"(-----BEGIN ([A-Z ]+)-----\n[A-Za-z0-9+/=\n]+-----END \2-----\s*)+", text):
        raise ValueError("it is not a whole PEM file")


def rules(text):
    # in a namespace of its own: the rules name adapters, and nothing here may be changed by them
    checked = subprocess.run(["unshare", "--net", "nft", "-c", "-f", "-"], input=text, capture_output=True, text=True)
    if checked.returncode:
        raise ValueError(checked.stderr.strip())


READERS = {".json": json.loads, ".toml": tomllib.loads, ".yaml": yaml.safe_load, ".pem": pem, ".nft": rules}


def faults(root):
    for name in NEEDED:
        if not (root / name).is_file():
            yield f"/{name} is not there"
    places = [root / "etc/eyot", root / "etc/netplan", root / "var/lib/eyot"]
    for path in sorted(p for place in places for p in place.rglob("*") if p.is_file()):
        name = f"/{path.relative_to(root)}"
        text = path.read_text(errors="replace")
        if not text:
            yield f"{name} is empty"
        elif path.suffix in READERS:
            try:
                READERS[path.suffix](text)
            except (ValueError, yaml.YAMLError) as error:
                yield f"{name}: {error}"
    for path in sorted(p for top in ("etc", "var/lib") for p in (root / top).rglob("*.eyot-new")):
        yield f"/{path.relative_to(root)} was never finished"
    identity = {p.name for p in (root / "var/lib/eyot/identity").glob("*")}
    if identity != IDENTITY:
        yield f"/var/lib/eyot/identity holds {sorted(identity)}"
    for name in ("var/lib/eyot/identity.next", "etc/eyot/seed.toml"):
        if (root / name).exists():
            yield f"/{name} is still there"
    machine_id = (root / "etc/machine-id").read_text().strip()
    if not re.fullmatch("[0-9a-f]{32}", machine_id):
        yield f'the machine id is "{machine_id}"'
    if not (root / "etc/hostname").read_text().strip():
        yield "/etc/hostname is empty"


found = list(faults(pathlib.Path(sys.argv[1])))
print("\n".join(found) or "nothing is half-written")
sys.exit(bool(found))
