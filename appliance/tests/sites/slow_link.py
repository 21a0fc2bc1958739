"""A slow and lossy wire between two interfaces of this namespace, for kernels without netem.

usage: slow_link.py INTERFACE INTERFACE DELAY_MS JITTER_MS LOSS_PERCENT

Every frame waits DELAY_MS give or take JITTER_MS, never overtaking the one before it; of a hundred, LOSS_PERCENT are
dropped, by a generator with a fixed seed. Checksum and segmentation offload must be off on both ends.
"""

import heapq
import random
import select
import socket
import sys
import time

ETH_P_ALL = 3
PACKET_OUTGOING = 4


def main() -> None:
    ends = []
    for name in sys.argv[1:3]:
        end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        end.bind((name, ETH_P_ALL))
        ends.append(end)
    delay, jitter, loss = (float(word) for word in sys.argv[3:6])
    dice = random.Random(1)
    waiting: list[tuple[float, int, int, bytes]] = []
    last = [0.0, 0.0]
    count = 0
    while True:
        patience = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        ready, _, _ = select.select(ends, [], [], patience)
        now = time.monotonic()
        for side, end in enumerate(ends):
            if end not in ready:
                continue
            frame, address = end.recvfrom(65536)
            if address[2] == PACKET_OUTGOING or dice.random() * 100 < loss:
                continue
            due = max(last[side], now + (delay + dice.uniform(-jitter, jitter)) / 1000)
            last[side] = due
            count += 1
            heapq.heappush(waiting, (due, count, 1 - side, frame))
        while waiting and waiting[0][0] <= now:
            _, _, side, frame = heapq.heappop(waiting)
            ends[side].send(frame)


main()
