"""Collects the licence texts of everything in an image into one directory: what has to travel with the binaries.

usage: licences.py --root REPOSITORY --target TRIPLE --program NAME... --status DPKG_STATUS --doc USR_SHARE_DOC DIRECTORY

DIRECTORY/crates/NAME-VERSION/ holds a crate's own licence files, DIRECTORY/debian/PACKAGE/copyright what the package
brings; INDEX.tsv has a line for each, also for those that bring no text, with the licence as declared.
"""

import argparse
import os
import re
import shutil

import packages

LICENCE_FILE = re.compile(r"^(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|UNLICEN[CS]E|AUTHORS)([-._].*)?$", re.I)
# A crate's directory is not searched deeper than this: some keep their texts in a folder.
FOLDERS = ("", "LICENSES", "licenses")


def licence_files(crate):
    named = [crate.licence_file] if crate.licence_file else []
    for folder in FOLDERS:
        where = os.path.join(crate.directory, folder)
        if os.path.isdir(where):
            for name in sorted(os.listdir(where)):
                if (folder or LICENCE_FILE.match(name)) and os.path.isfile(os.path.join(where, name)):
                    named.append(os.path.join(folder, name))
    return sorted({os.path.normpath(os.path.join(crate.directory, name)) for name in named})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--program", action="append", required=True)
    parser.add_argument("--status", required=True)
    parser.add_argument("--doc", required=True)
    parser.add_argument("directory")
    a = parser.parse_args()
    index = ["kind\tname\tversion\tlicence\ttext"]
    for crate in packages.crates(a.root, a.target, a.program).values():
        texts = [os.path.join(a.root, "LICENSE")] if crate.ours else licence_files(crate)
        for path in texts:
            place = os.path.join(a.directory, "crates", f"{crate.name}-{crate.version}")
            os.makedirs(place, exist_ok=True)
            shutil.copyfile(path, os.path.join(place, os.path.basename(path)))
        told = "yes" if texts else "none in the crate"
        index.append(f"crate\t{crate.name}\t{crate.version}\t{crate.licence or 'see the text'}\t{told}")
    for package in packages.debian_packages(a.status):
        source = os.path.join(a.doc, package.name, "copyright")
        names = []
        # a package may share the documentation of another, by a link
        there = os.path.isfile(source)
        if there:
            place = os.path.join(a.directory, "debian", package.name)
            os.makedirs(place, exist_ok=True)
            shutil.copyfile(source, os.path.join(place, "copyright"))
            names = packages.debian_licences(source)
        licence = ", ".join(names) or "see the text"
        index.append(f"debian\t{package.name}\t{package.version}\t{licence}\t{'yes' if there else 'none in the package'}")
    with open(os.path.join(a.directory, "INDEX.tsv"), "w", encoding="utf-8") as file:
        file.write("\n".join(index) + "\n")


main()
