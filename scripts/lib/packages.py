"""What an image is made of: Debian packages from a dpkg database, crates from cargo's resolution.

Only reads; what is written about them is the business of sbom.py, licences.py and provenance.py beside this file.
"""

import glob
import json
import os
import re
import subprocess
from dataclasses import dataclass, field


@dataclass(frozen=True)
class DebianPackage:
    """An installed package."""

    name: str
    version: str
    architecture: str
    source: str
    source_version: str
    maintainer: str

    def purl(self, distribution):
        """Package URL; distribution is a base's name, such as debian-12."""
        vendor = distribution.split("-")[0]
        version = self.version.replace(":", "%3A").replace("+", "%2B").replace("~", "~")
        return f"pkg:deb/{vendor}/{self.name.replace('+', '%2B')}@{version}?arch={self.architecture}&distro={distribution}"


def debian_packages(status):
    """Installed packages of a dpkg status file, by name."""
    found = []
    with open(status, encoding="utf-8") as file:
        for paragraph in file.read().split("\n\n"):
            fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.M))
            if not fields.get("Status", "").endswith(" installed"):
                continue
            source = re.match(r"(\S+)(?: \((.*)\))?$", fields.get("Source", fields["Package"]))
            found.append(
                DebianPackage(
                    name=fields["Package"],
                    version=fields["Version"],
                    architecture=fields["Architecture"],
                    source=source[1],
                    source_version=source[2] or fields["Version"],
                    maintainer=fields.get("Maintainer", ""),
                )
            )
    return sorted(found, key=lambda p: (p.name, p.architecture))


def debian_licences(copyright_file):
    """Short names of the licences in a machine-readable copyright file; none in one that only people can read."""
    with open(copyright_file, encoding="utf-8", errors="replace") as file:
        text = file.read()
    if not re.search(r"^Format:.*copyright-format", text, re.M):
        return []
    names = re.findall(r"^License:[ \t]*(\S[^\n]*)$", text, re.M)
    return sorted({name.strip() for name in names})


@dataclass
class Crate:
    """A crate that is compiled into a program of ours."""

    name: str
    version: str
    licence: str
    directory: str
    checksum: str = ""
    ours: bool = False
    licence_file: str = ""
    needs: list = field(default_factory=list)

    @property
    def key(self):
        return f"{self.name}@{self.version}"

    def purl(self):
        return f"pkg:cargo/{self.name}@{self.version.replace('+', '%2B')}"


def crates(root, target, programs):
    """Crates linked into these programs, by NAME@VERSION; what only runs at build time is left out."""
    metadata = json.loads(
        subprocess.run(
            ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target],
            cwd=root, check=True, capture_output=True, text=True,
        ).stdout
    )
    checksums = lock_checksums(os.path.join(root, "Cargo.lock"))
    by_id = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}

    def runs_in_the_compiler(package):
        return any("proc-macro" in made["kind"] for made in package["targets"])

    def linked(identity):
        for dependency in nodes[identity]["deps"]:
            kinds = [kind["kind"] for kind in dependency["dep_kinds"]]
            if None in kinds and not runs_in_the_compiler(by_id[dependency["pkg"]]):
                yield dependency["pkg"]

    found = {}
    waiting = [i for i in metadata["workspace_members"] if by_id[i]["name"] in programs]
    missing = set(programs) - {by_id[i]["name"] for i in waiting}
    if missing:
        raise SystemExit(f"there is no crate {', '.join(sorted(missing))}")
    while waiting:
        identity = waiting.pop()
        package = by_id[identity]
        crate = Crate(
            name=package["name"],
            version=package["version"],
            licence=package.get("license") or "",
            directory=os.path.dirname(package["manifest_path"]),
            checksum=checksums.get((package["name"], package["version"]), ""),
            ours=package["source"] is None,
            licence_file=package.get("license_file") or "",
            needs=sorted(f"{by_id[d]['name']}@{by_id[d]['version']}" for d in linked(identity)),
        )
        if crate.key in found:
            continue
        found[crate.key] = crate
        waiting.extend(linked(identity))
    return dict(sorted(found.items()))


def lock_checksums(lock):
    """Checksum by name and version, from Cargo.lock."""
    with open(lock, encoding="utf-8") as file:
        text = file.read()
    entries = re.findall(r'\[\[package\]\]\nname = "(.*)"\nversion = "(.*)"\n((?:.+\n)*)', text)
    return {(n, v): m[1] for n, v, rest in entries if (m := re.search(r'checksum = "(.*)"', rest))}


def sqlite_version(found):
    """Version of the SQLite that libsqlite3-sys carries and compiles, if it is among the crates."""
    for crate in found.values():
        if crate.name == "libsqlite3-sys":
            for header in glob.glob(os.path.join(crate.directory, "sqlite3", "sqlite3.h")):
                with open(header, encoding="utf-8") as file:
                    return re.search(r'#define SQLITE_VERSION\s+"(.*)"', file.read())[1]
    return None
