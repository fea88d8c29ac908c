"""A name server on loopback that costs nearly nothing: answers by rule, one datagram in, one out.

`d7.fleet.test` has the MX host `mx7.fleet.test`, which has one IPv4 address; `s7.fleet.test` has one of 200 hosts that
many share. Nothing has AAAA, TXT or TLSA records. A process of its own, which ends when its standard input does.

Touches: network (loopback), processes. Source: RFC 1035 section 4.1 (messages), RFC 2308 section 2 (NODATA).
"""

import contextlib
import ipaddress
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.fleet import FIRST, SERVERS_MOST

A, MX = 1, 15
HEAD_BYTES = 12
ANSWER = 0x8580  # QR, AA, RD, RA
NXDOMAIN = ANSWER | 3
TTL_S = 3600
SHARED_HOSTS = 200
SOA_NAME = b"\x05fleet\x04test\x00"
SOA = SOA_NAME + struct.pack("!HHIH", 6, 1, TTL_S, 22) + b"\x00\x00" + struct.pack("!5I", 1, 7200, 900, 86400, 3600)
RECEIVED_BYTES = 4 * 1024 * 1024


@contextlib.contextmanager
def nameserver() -> Iterator[str]:
    """Start it, and say where it is: `address:port`."""
    with subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        if child.stdin is None or child.stdout is None:
            raise AssertionError("both were asked for")
        try:
            yield f"127.0.0.1:{int(child.stdout.readline())}"
        finally:
            child.stdin.close()


def answer(question: bytes) -> bytes:
    """Answer one datagram."""
    end = question.index(b"\0", HEAD_BYTES) + 1
    asked, kind = question[HEAD_BYTES : end + 4], struct.unpack_from("!H", question, end)[0]
    label = question[HEAD_BYTES + 1 : HEAD_BYTES + 1 + question[HEAD_BYTES]].lower()
    data = record(label, kind)
    if data is None:
        flags = NXDOMAIN if label.startswith(b"_") else ANSWER
        return question[:2] + struct.pack("!5H", flags, 1, 0, 1, 0) + asked + SOA
    head = struct.pack("!HHHIH", 0xC00C, kind, 1, TTL_S, len(data))
    return question[:2] + struct.pack("!5H", ANSWER, 1, 1, 0, 0) + asked + head + data


def record(label: bytes, kind: int) -> bytes | None:
    """The data of the one record that there is, if so."""
    if kind == MX and label[:1] in (b"d", b"s"):
        number = int(label[1:])
        host = b"mx%d" % (number if label.startswith(b"d") else number % SHARED_HOSTS)
        at = HEAD_BYTES + 1 + len(label)  # what follows the first label of the question
        return struct.pack("!HB", 10, len(host)) + host + struct.pack("!H", 0xC000 | at)
    if kind == A and label.startswith(b"mx"):
        return ipaddress.IPv4Address(FIRST + int(label[2:]) % SERVERS_MOST).packed
    return None


def main() -> None:
    """Answer until standard input ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED_BYTES)
        asked.bind(("127.0.0.1", 0))
        asked.setblocking(False)  # noqa: FBT003 - its own signature
        print(asked.getsockname()[1], flush=True)
        while sys.stdin not in select.select([asked, sys.stdin], [], [])[0]:
            with contextlib.suppress(BlockingIOError):
                while True:
                    question, client = asked.recvfrom(4096)
                    asked.sendto(answer(question), client)


if __name__ == "__main__":
    main()
