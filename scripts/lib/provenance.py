"""Provenance of a build: an in-toto statement with SLSA's predicate, naming every input and output by its digest.

usage: provenance.py --base BASE --base-disk SHA256 --baked-disk SHA256 --commit COMMIT --dirty yes|no
                     --root REPOSITORY --target TRIPLE --program NAME... --status DPKG_STATUS [--debs TSV]
                     --tool NAME=VERSION=FILE... --source NAME=VERSION=FILE... --parameter NAME=VALUE... FILE...

FILE... are the outputs. Says what was used; that it was used well is the signature's business, if there is one.
"""

import argparse
import hashlib
import json
import os
import sys

import packages


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("base", "base-disk", "baked-disk", "commit", "dirty", "root", "target", "status"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--debs")
    for name in ("program", "tool", "source", "parameter"):
        parser.add_argument(f"--{name}", action="append", default=[])
    parser.add_argument("output", nargs="+")
    a = parser.parse_args()

    debs = {}
    if a.debs and os.path.exists(a.debs):
        with open(a.debs, encoding="utf-8") as file:
            for line in file:
                name, version, architecture, digest = line.rstrip("\n").split("\t")
                debs[name, version, architecture] = digest
    built_here = {"eyot-sensor"}
    inputs = [
        {"name": f"base disk {a.base}", "digest": {"sha256": a.base_disk}},
        {"name": "sources", "uri": "git+https://github.com/eyot/eyot", "digest": {"gitCommit": a.commit},
         "annotations": {"changed_since_commit": a.dirty == "yes"}},
    ]
    unknown = []
    for package in packages.debian_packages(a.status):
        if package.name in built_here:
            continue
        entry = {"uri": package.purl(a.base)}
        if digest := debs.get((package.name, package.version, package.architecture)):
            entry["digest"] = {"sha256": digest}
        else:
            unknown.append(package.name)
        inputs.append(entry)
    for crate in packages.crates(a.root, a.target, a.program).values():
        if crate.checksum:
            inputs.append({"uri": crate.purl(), "digest": {"sha256": crate.checksum}})
    for kind in ("source", "tool"):
        for one in getattr(a, kind):
            name, version, path = one.split("=", 2)
            inputs.append({"name": f"{kind} {name}", "digest": {"sha256": sha256(path)}, "annotations": {"version": version}})

    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": os.path.basename(f), "digest": {"sha256": sha256(f)}} for f in sorted(a.output)],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://github.com/eyot/eyot/blob/main/docs/supply-chain.md#build-type-1",
                "externalParameters": {"base": a.base},
                "internalParameters": dict(p.split("=", 1) for p in sorted(a.parameter)),
                "resolvedDependencies": inputs,
            },
            "runDetails": {
                "builder": {"id": "https://github.com/eyot/eyot/blob/main/scripts/build"},
                "byproducts": [{"name": "baked disk", "digest": {"sha256": a.baked_disk}}],
            },
        },
    }
    json.dump(statement, sys.stdout, indent=1)
    print()
    if unknown:
        print(f"provenance: no digest of {len(unknown)} Debian packages is known on base {a.base}", file=sys.stderr)


main()
