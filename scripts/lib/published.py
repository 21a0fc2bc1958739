"""Puts a text from standard input into a document, between the two comments that mark its place.

usage: published.py DOCUMENT NAME

The place is from "<!-- NAME: ... -->" to "<!-- end of NAME -->"; what stood there before is gone. A document without that
place stays as it was, and the exit status is 1.
"""

import pathlib
import re
import sys


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    document, name = pathlib.Path(sys.argv[1]), sys.argv[2]
    text = document.read_text()
    place = re.compile(rf"(<!-- {re.escape(name)}: [^\n]* -->\n).*?(<!-- end of {re.escape(name)} -->)", re.DOTALL)
    written, count = place.subn(lambda found: found[1] + sys.stdin.read().strip("\n") + "\n" + found[2], text)
    if count != 1:
        sys.exit(f"published: {document} has {count} places called {name}; it wants one")
    document.write_text(written)


main()
