"""What a mirror delivers, or something that is none: mirror.py KIND LINK, until it is ended.

  flooded    broadcasts, multicasts and ARP, as any port of a switch gets them
  one-way    conversations between others of which one side is missing
  untagged   two networks, both sides of their conversations, and no VLAN tags
  good       the same with tags

Frames go out of LINK. If LINK is a tap adapter of this namespace they arrive there instead. About a hundred a second.
"""

import fcntl
import os
import socket
import struct
import sys
import time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
BROADCAST = b"\xff" * 6


def mac(network, host):
    return bytes([0x02, 0, 0, 0, network, host])


def address(network, host):
    return bytes([10, 0, network, host])


def tag(network):
    return struct.pack("!HH", 0x8100, 100 + network)


def arp(network, host, target):
    packet = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
    return packet + mac(network, host) + address(network, host) + bytes(6) + address(network, target)


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(source, target, protocol, payload):
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0) + source + target
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def tcp(network, source, target, ports):
    segment = struct.pack("!HHIIBBHHH", *ports, 1, 1, 0x50, 0x18, 1024, 0, 0) + b"measured value"
    return ip(address(network, source), address(network, target), 6, segment)


def frame(destination, source, kind, payload, vlan=b""):
    return destination + source + vlan + struct.pack("!H", kind) + payload.ljust(46, b"\0")


def flooded():
    for host in range(1, 20):
        yield frame(BROADCAST, mac(1, host), 0x0806, arp(1, host, host + 1))
        query = struct.pack("!HHHH", 5353, 5353, 20, 0) + bytes(12)
        group = ip(address(1, host), bytes([224, 0, 0, 251]), 17, query)
        yield frame(b"\x01\x00\x5e\x00\x00\xfb", mac(1, host), 0x0800, group)


def conversations(networks, sides, tagged):
    for network in networks:
        vlan = tag(network) if tagged else b""
        for host in range(1, 5):
            yield frame(BROADCAST, mac(network, host), 0x0806, arp(network, host, host + 1), vlan)
        for host in range(1, 9):
            for _ in range(2):
                yield frame(mac(network, 20), mac(network, host), 0x0800, tcp(network, host, 20, (40000 + host, 502)), vlan)
                if sides == 2:
                    answer = tcp(network, 20, host, (502, 40000 + host))
                    yield frame(mac(network, host), mac(network, 20), 0x0800, answer, vlan)


KINDS = {
    "flooded": flooded,
    "one-way": lambda: conversations([1], 1, False),
    "untagged": lambda: conversations([1, 2], 2, False),
    "good": lambda: conversations([1, 2], 2, True),
}


def sender(link):
    if os.path.exists(f"/sys/class/net/{link}/tun_flags"):
        tap = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", link.encode(), IFF_TAP | IFF_NO_PI))
        return lambda frame: os.write(tap, frame)
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((link, 0))
    return wire.send


kind, link = sys.argv[1:]
send = sender(link)
while True:
    for each in KINDS[kind]():
        try:
            send(each)
        except OSError:  # the adapter is down or away just now; the cable carries nothing meanwhile
            pass
        time.sleep(0.01)
