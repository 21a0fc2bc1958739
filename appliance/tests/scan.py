"""A port scanner: which ports of an address answer, and which ports' packets arrive.

  scan.py tcp ADDRESS [LAST]       ports 1 to LAST (65535) that answer a connection, be it with a refusal
  scan.py send ADDRESS [FROM]      one UDP datagram to every port, from port FROM
  scan.py arrives PROTOCOL         ports whose packets this machine lets in (raw(7): after its firewall), until SIGTERM;
                                   prints "listening" first

Ports are printed on one line, "none" where there are none, and a number only where there are more than forty. Nothing that
is dropped answers, so a port that is shut by a firewall differs from one where nobody listens.
"""

import errno
import resource
import select
import signal
import socket
import sys
import time

AT_ONCE = 10000
PATIENCE_S = 1.2  # a lost SYN is sent again after one second
# a kernel that has no time lets a thousand packets wait, and loses those after them (net.core.netdev_max_backlog)
BURST, PAUSE_S = 200, 0.002
SO_RCVBUFFORCE = 33


def told(ports):
    if len(ports) > 40:
        return f"{len(ports)} ports"
    return " ".join(map(str, sorted(ports))) or "none"


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def tcp(address, last=65535):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (AT_ONCE + 100, hard))
    answered = set()
    for first in range(1, int(last) + 1, AT_ONCE):
        poll, waiting = select.poll(), {}
        for port in range(first, min(first + AT_ONCE, int(last) + 1)):
            if port % BURST == 0:
                time.sleep(PAUSE_S)
            s = socket.socket(family(address), socket.SOCK_STREAM)
            s.setblocking(False)
            result = s.connect_ex((address, port))
            if result in (0, errno.ECONNREFUSED):
                answered.add(port)
            elif result == errno.EINPROGRESS:
                waiting[s.fileno()] = (s, port)
                poll.register(s, select.POLLOUT)
                continue
            s.close()
        until = time.monotonic() + PATIENCE_S
        while waiting and (rest := until - time.monotonic()) > 0:
            for fd, _ in poll.poll(rest * 1000):
                s, port = waiting.pop(fd)
                if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (0, errno.ECONNREFUSED):
                    answered.add(port)
                poll.unregister(fd)
                s.close()
        for s, _ in waiting.values():
            s.close()
    print(told(answered))


def send(address, source=0):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.bind(("", int(source)))
    for port in range(1, 65536):
        if port % BURST == 0:
            time.sleep(PAUSE_S)
        for _ in range(2):  # the first may meet an error that an earlier one left
            try:
                s.sendto(b"x", (address, port))
                break
            except OSError:  # dropped here, by our own firewall
                pass


def arrives(protocol):
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, getattr(socket, f"IPPROTO_{protocol.upper()}"))
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 256 << 20)
    s.settimeout(0.2)
    ended, seen = [], set()
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    print("listening", flush=True)
    while True:
        try:
            packet = s.recv(256)
        except TimeoutError:
            if ended:
                break
            continue
        header = (packet[0] & 15) * 4
        seen.add(int.from_bytes(packet[header + 2 : header + 4], "big"))
    print(told(seen), flush=True)


{"tcp": tcp, "send": send, "arrives": arrives}[sys.argv[1]](*sys.argv[2:])
