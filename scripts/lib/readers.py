"""Our images through readers by other hands: which reader accepts what. Called by scripts/check-readers, which says how.

Each situation is a raw disk with something awkward about it. From each come a VMDK, an OVA (whose VMDK is taken out by
tar), and VHDX of three kinds; each goes through every reader of its format. A reader that reads content is asked for all
of it, except of the 500 GiB disk: there for everything that is allocated, and for zeros in between at evenly spread places.

Needs Debian's own python3, which has libyal's modules: pyvmdk and pyvhdi.
"""

import argparse
import os
import re
import subprocess
import sys
import time

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
# Disks up to here are compared whole by those readers that work through a range of bytes.
WHOLE = GIB
# Places and bytes looked at between what is allocated, on larger disks.
PROBES, PROBE = 500, 64 * KIB
# Blocks in which contents are compared.
STEP = MIB

SAME, OPENS, COPIES, REFUSES, ABSENT = "same", "opens", "copies", "refuses", "–"
# Seconds after which a program that should have answered is given up.
PATIENCE = 240


class Refused(Exception):
    """A reader's own words on why it does not take a file."""


def run(*command, patience=PATIENCE):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=patience)
    except subprocess.TimeoutExpired as late:
        raise Refused(f"{os.path.basename(command[0])} does not end within {patience} s") from late
    if done.returncode != 0:
        words = [line for line in done.stdout.splitlines() if line.strip()] or [f"status {done.returncode}"]
        raise Refused(f"{os.path.basename(command[0])}: {words[-1].strip()}")
    return done.stdout


# --- situations ------------------------------------------------------------------------------------------------------


def noise(length, seed):
    """Bytes that do not compress, the same every time."""
    import random

    return random.Random(seed).randbytes(length)


def prose(length):
    return (b"the river island " * (length // 17 + 1))[:length]


SITUATIONS = {
    # name: (what is special, size, [(offset, bytes)])
    "mixed": ("text, noise, holes, zeros written out", 100 * MIB,
              [(0, prose(300_000)), (5 * MIB + 4096, noise(200_000, 1)), (40 * MIB, bytes(3 * MIB)), (41 * MIB + 777, b"\1"),
               (64 * MIB, prose(70_000))]),
    "all zero": ("nothing but a hole", 64 * MIB, []),
    "incompressible end": ("the last grain does not compress", 8 * MIB, [(8 * MIB - 64 * KIB, noise(64 * KIB, 2))]),
    "partial end": ("the last grain has 5 sectors", 33 * MIB + 5 * 512, [(7, prose(100)), (33 * MIB + 5 * 512 - 600, noise(600, 3))]),
    "end of 500 GiB": ("only the last sector holds something", 500 * GIB, [(500 * GIB - 512, noise(512, 4))]),
    "over a table": ("one sector more than a grain table covers", 32 * MIB + 512, [(32 * MIB - 1, bytes([9]) * 513)]),
}


def make(path, size, pieces):
    with open(path, "wb") as disk:
        disk.truncate(size)
        for offset, content in pieces:
            disk.seek(offset)
            disk.write(content)


def ranges(raw):
    """What to compare: the whole, or what is allocated and places spread over the rest."""
    size = os.path.getsize(raw)
    if size <= WHOLE:
        return [(0, size)]
    found, at = [], 0
    with open(raw, "rb") as disk:
        while True:
            try:
                start = os.lseek(disk.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(disk.fileno(), start, os.SEEK_HOLE)
            found.append((start, at - start))
    step = size // PROBES
    found += [(n * step // 512 * 512, PROBE) for n in range(PROBES)]
    return found


# --- readers ---------------------------------------------------------------------------------------------------------


def compare(raw, read_at, size):
    """Fails unless read_at(offset, length) gives the bytes of `raw`."""
    if size != os.path.getsize(raw):
        raise Refused(f"says the disk has {size} bytes, not {os.path.getsize(raw)}")
    with open(raw, "rb") as disk:
        for start, length in ranges(raw):
            for at in range(start, start + length, STEP):
                wanted = min(STEP, start + length - at)
                disk.seek(at)
                if read_at(at, wanted) != disk.read(wanted):
                    raise Refused(f"the {wanted} bytes at {at} differ")


def qemu(raw, image, kind, tools):
    run("qemu-img", "check", "-q", "-f", kind, image)
    if kind == "vhdx" and os.path.getsize(raw) > WHOLE:
        # Its VHDX driver does not tell holes, so comparing would read half a terabyte of zeros.
        return qemu_by_range(raw, image, tools)
    run("qemu-img", "compare", "-q", "-f", "raw", "-F", kind, raw, image)
    return SAME


def qemu_by_range(raw, image, tools):
    zeros, piece = [], f"{tools.work}/piece"
    with open(raw, "rb") as disk:
        for start, length in ranges(raw):
            expected = os.pread(disk.fileno(), length, start)
            if not any(expected):
                zeros += ["-c", f"read -q -P 0 {start} {length}"]
                continue
            run("qemu-img", "dd", "-f", "vhdx", "-O", "raw", "bs=512", f"skip={start // 512}",
                f"count={(start + length) // 512}", f"if={image}", f"of={piece}")
            with open(piece, "rb") as got:
                if got.read() != expected:
                    raise Refused(f"qemu-img: the {length} bytes at {start} differ")
            os.remove(piece)
    told = run("qemu-io", "-r", "-f", "vhdx", *zeros, image)
    if "failed" in told:
        raise Refused(f"qemu-io: {told}")
    return SAME


def vmdk_convert(raw, image, _, tools):
    """open-vmdk: describes the file, checks that grains ascend, and converts it back into a flat disk.

    It never ends describing or flattening a disk whose last grain is partial, its own files included (0.3.13). Such a disk
    it can still copy into a VMDK of its own, which qemu-img then compares.
    """
    if os.path.getsize(raw) % (64 * KIB) != 0:
        try:
            run(tools.vmdk_convert, "-i", image, patience=5)
        except Refused:
            run(tools.vmdk_convert, "-c", "1", image, f"{tools.work}/copy.vmdk")
            run("qemu-img", "compare", "-q", "-f", "raw", "-F", "vmdk", raw, f"{tools.work}/copy.vmdk")
            os.remove(f"{tools.work}/copy.vmdk")
            return COPIES
    told = run(tools.vmdk_convert, "-i", "--detailed", image)
    size = int(re.search(r'"capacity": (\d+)', told).group(1))
    if '"grainsOrdered": true' not in told:
        raise Refused("says that the grains are not in order")
    flat = f"{tools.work}/flat"
    run(tools.vmdk_convert, image, flat)
    try:
        with open(flat, "rb") as disk:
            compare(raw, lambda at, length: os.pread(disk.fileno(), length, at), size)
    finally:
        os.remove(flat)
    return SAME


def libvmdk(raw, image, _, tools):
    import pyvmdk

    run("vmdkinfo", image)
    # The library asks for the extent by the name in the descriptor; here the file itself is the extent.
    handle, extent = pyvmdk.handle(), open(image, "rb")
    try:
        handle.open(image)
        handle.open_extent_data_files_file_objects([extent])
        compare(raw, lambda at, length: handle.read_buffer_at_offset(length, at), handle.get_media_size())
    except OSError as error:
        raise Refused(f"pyvmdk: {error}") from error
    finally:
        extent.close()
    return SAME


def libvhdi(raw, image, _, tools):
    import pyvhdi

    run("vhdiinfo", image)
    handle = pyvhdi.file()
    try:
        handle.open(image)
        compare(raw, lambda at, length: handle.read_buffer_at_offset(length, at), handle.get_media_size())
    except OSError as error:
        raise Refused(f"pyvhdi: {error}") from error
    return SAME


def seven_zip(raw, image, _, tools):
    """Reads front to back only: of the huge disk, what it lists is all that is asked for."""
    listed = run("7zz", "l", "-slt", image)
    size = int(re.findall(r"^Size = (\d+)$", listed, re.MULTILINE)[-1])
    if size != os.path.getsize(raw):
        raise Refused(f"says the disk has {size} bytes, not {os.path.getsize(raw)}")
    if size > WHOLE and not tools.slow:
        return OPENS
    told = subprocess.Popen(["7zz", "e", "-so", image], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with open(raw, "rb") as disk:
        same = all(told.stdout.read(len(block)) == block for block in iter(lambda: disk.read(STEP), b""))
    told.stdout.close()
    if told.wait() != 0 or not same:
        raise Refused("7zz: the content differs")
    return SAME


def crates(raw, image, _, tools):
    numbers = [str(n) for pair in ranges(raw) for n in pair]
    run(tools.crates, raw, image, *numbers)
    return SAME


def ourselves(raw, image, _, tools):
    found = run(tools.image, "verify", "--format", "json", "-q", image)
    if '"list": []' not in found:
        raise Refused(f"eyot-image verify: {found}")
    told = run(tools.image, "inspect", "--format", "json", image)
    size = int(re.search(r'"capacity_bytes": (\d+)', told).group(1))
    if size != os.path.getsize(raw):
        raise Refused(f"eyot-image inspect: {size} bytes")
    return OPENS


VMDK_READERS = {"qemu-img": qemu, "open-vmdk": vmdk_convert, "libvmdk": libvmdk, "7-Zip": seven_zip,
                "vmdk-core": crates, "eyot-image": ourselves}
VHDX_READERS = {"qemu-img": qemu, "libvhdi": libvhdi, "7-Zip": seven_zip, "vhdx-core": crates, "eyot-image": ourselves}

# --- images ----------------------------------------------------------------------------------------------------------


def write_vmdk(tools, raw, out):
    run(tools.image, "convert", "-q", raw, f"{out}.vmdk")
    return f"{out}.vmdk"


def write_ova(tools, raw, out):
    run(tools.image, "ova", "-q", raw, f"{out}.ova")
    told = run(tools.image, "verify", "-q", "--format", "json", f"{out}.ova")
    if '"list": []' not in told:
        raise Refused(told)
    name = next(name for name in run("tar", "tf", f"{out}.ova").splitlines() if name.endswith(".vmdk"))
    run("tar", "-C", tools.work, "-xf", f"{out}.ova", name)
    return f"{tools.work}/{name}"


def write_vhdx(*options):
    def write(tools, raw, out):
        run(tools.image, "vhdx", "-q", raw, f"{out}.vhdx", *options)
        return f"{out}.vhdx"

    return write


# name: (format, writer, sizes it cannot have)
IMAGES = {
    "VMDK": ("vmdk", write_vmdk, lambda size: False),
    "VMDK from the OVA": ("vmdk", write_ova, lambda size: False),
    "VHDX dynamic": ("vhdx", write_vhdx(), lambda size: False),
    "VHDX fixed": ("vhdx", write_vhdx("--allocation", "fixed"), lambda size: size > WHOLE),
    "VHDX 4Kn": ("vhdx", write_vhdx("--logical-sector", "4096"), lambda size: size % 4096 != 0),
}


def examine(tools, name, raw, cells, reasons):
    """Fills cells[(reader, image)][situation] and prints a row for each reader."""
    size = os.path.getsize(raw)
    made = {}
    for image, (kind, write, impossible) in IMAGES.items():
        if not impossible(size):
            made[image] = (kind, write(tools, raw, f"{tools.work}/{image.replace(' ', '-')}"))
    for reader in list(dict.fromkeys([*VMDK_READERS, *VHDX_READERS])):
        started, said = time.monotonic(), []
        for image, (kind, _, _) in IMAGES.items():
            read = (VMDK_READERS if kind == "vmdk" else VHDX_READERS).get(reader)
            if read is None:
                continue
            if image not in made:
                outcome = ABSENT
            else:
                try:
                    outcome = read(raw, made[image][1], kind, tools)
                except Refused as refused:
                    outcome = REFUSES
                    reasons[(reader, image, name)] = (known(reader, image, size), str(refused))
            cells.setdefault((reader, image), {})[name] = outcome
            said.append(f"{image} {outcome}")
        print(f"{time.monotonic() - started:6.1f}s  {name:20} {reader:11} {', '.join(said)}", flush=True)
    for _, path in made.values():
        os.remove(path)


def table(cells, names):
    lines = ["| reader | image | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
    for (reader, image), row in cells.items():
        lines.append(f"| {reader} | {image} | " + " | ".join(row[name] for name in names) + " |")
    return "\n".join(lines)


BEGIN, END = "<!-- readers: written by scripts/check-readers --bless -->", "<!-- end of readers -->"


def documented(path):
    """What stands between the marks in the documentation, and the text before and after."""
    with open(path, encoding="utf-8") as file:
        before, rest = file.read().split(BEGIN, 1)
    inside, after = rest.split(END, 1)
    return before, inside.strip(), after


def main():
    parser = argparse.ArgumentParser()
    for name in ["image", "vmdk-convert", "crates", "work", "docs"]:
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--bless", action="store_true")
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("disk", nargs="*")
    tools = parser.parse_args()

    cells, reasons = {}, {}
    for name, (_, size, pieces) in SITUATIONS.items():
        raw = f"{tools.work}/raw"
        make(raw, size, pieces)
        examine(tools, name, raw, cells, reasons)
        os.remove(raw)
    written = table(cells, list(SITUATIONS))

    failures = 0
    if tools.bless:
        before, _, after = documented(tools.docs)
        with open(tools.docs, "w", encoding="utf-8") as file:
            file.write(f"{before}{BEGIN}\n{written}\n{END}{after}")
    elif documented(tools.docs)[1] != written:
        failures += 1
        print(f"FAILED  the table in {tools.docs} is not what was found (scripts/check-readers --bless writes it):\n{written}")
    for disk in tools.disk:
        examine(tools, os.path.basename(disk), os.path.realpath(disk), {}, reasons)
    for (reader, image, name), (expected, words) in reasons.items():
        print(f"{'known ' if expected else 'FAILED'}  {reader}, {image}, {name}: {words}")
        failures += not expected
    sys.exit(1 if failures else 0)


def known(reader, image, size):
    """Limits of the readers themselves; docs/images.md tells of them."""
    if reader == "qemu-img":
        return image == "VHDX 4Kn"
    return reader == "7-Zip" and image.startswith("VHDX") and size % 4096 != 0


main()
