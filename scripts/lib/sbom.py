"""Bill of materials in CycloneDX 1.5 (JSON): the Debian packages of an image, our programs, and the crates in them.

usage: sbom.py --name NAME --version V --date SECONDS --root REPOSITORY --target TRIPLE --program FILE...
               [--base BASE --status DPKG_STATUS --doc USR_SHARE_DOC] [--static NAME@VERSION...]

Without --base it is that of a package alone. Writes to standard output; the same input gives the same bytes.
"""

import argparse
import hashlib
import json
import os
import sys
import uuid
from datetime import datetime, timezone

import packages

# Names a document by its content; an arbitrary constant.
NAMESPACE = uuid.UUID("5e5ff0c2-0b1e-5c39-9d52-6a7e7c3b0d11")


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(file.read()).hexdigest()


def debian_component(package, base, doc):
    component = {
        "type": "library",
        "bom-ref": package.purl(base),
        "supplier": {"name": package.maintainer or "unknown"},
        "name": package.name,
        "version": package.version,
        "purl": package.purl(base),
        "properties": [
            {"name": "eyot:debian:source", "value": f"{package.source} {package.source_version}"},
        ],
    }
    copyright_file = os.path.join(doc, package.name, "copyright")
    names = packages.debian_licences(copyright_file) if os.path.exists(copyright_file) else []
    component["licenses"] = [{"license": {"name": name}} for name in names] or [
        {"license": {"name": f"see /usr/share/doc/{package.name}/copyright"}}
    ]
    return component


def crate_component(crate):
    component = {
        "type": "library",
        "bom-ref": crate.purl(),
        "name": crate.name,
        "version": crate.version,
        "purl": crate.purl(),
    }
    if crate.checksum:
        component["hashes"] = [{"alg": "SHA-256", "content": crate.checksum}]
    if crate.licence:
        # "MIT/Apache-2.0" is how it was once written
        component["licenses"] = [{"expression": crate.licence.replace("/", " OR ")}]
    return component


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--date", type=int, required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--program", action="append", required=True)
    parser.add_argument("--base")
    parser.add_argument("--status")
    parser.add_argument("--doc")
    parser.add_argument("--static", action="append", default=[])
    a = parser.parse_args()

    components, dependencies, contents = [], [], []
    if a.base:
        for package in packages.debian_packages(a.status):
            components.append(debian_component(package, a.base, a.doc))
            contents.append(components[-1]["bom-ref"])

    programs = {os.path.basename(path): path for path in a.program}
    found = packages.crates(a.root, a.target, programs)
    for name, path in sorted(programs.items()):
        reference = f"program:{name}"
        crate = next(c for c in found.values() if c.name == name)
        components.append({
            "type": "application",
            "bom-ref": reference,
            "name": name,
            "version": crate.version,
            "hashes": [{"alg": "SHA-256", "content": sha256(path)}],
            "licenses": [{"expression": crate.licence}],
        })
        dependencies.append({"ref": reference, "dependsOn": [crate.purl()]})
        contents.append(reference)
    for crate in found.values():
        components.append(crate_component(crate))
        dependencies.append({"ref": crate.purl(), "dependsOn": [found[key].purl() for key in crate.needs]})
    static = list(a.static)
    if sqlite := packages.sqlite_version(found):
        static.append(f"sqlite@{sqlite}")
    for one in sorted(static):
        name, version = one.split("@")
        components.append({
            "type": "library", "bom-ref": f"pkg:generic/{one}", "name": name, "version": version,
            "purl": f"pkg:generic/{one}",
        })
        contents.append(f"pkg:generic/{one}")

    whole = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(a.date, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [{"type": "application", "name": "eyot scripts/build", "version": a.version}]},
            "component": {
                "type": "operating-system" if a.base else "application",
                "bom-ref": "this", "name": a.name, "version": a.version,
            },
        },
        "components": components,
        "dependencies": [{"ref": "this", "dependsOn": sorted(contents)}] + dependencies,
    }
    identity = uuid.uuid5(NAMESPACE, json.dumps(whole, sort_keys=True))
    whole = {"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{identity}", **whole}
    json.dump(whole, sys.stdout, indent=1, ensure_ascii=False)
    print()


main()
