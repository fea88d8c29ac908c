"""A resolver that can die: hands every datagram on to another, from a port that it says first.

`python forwarder.py ADDRESS:PORT [PORT]`. Killed, its port is closed and the kernel says so; stopped, it is silent.
"""

import selectors
import socket
import sys

BYTES = 65535


def main(upstream: str, port: str = "0") -> None:
    """Serve until killed: one socket towards the resolver for each of those who ask."""
    address, upstream_port = upstream.split(":")
    near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    near.bind(("127.0.0.1", int(port)))
    print(near.getsockname()[1], flush=True)  # noqa: T201 - the one line that it is asked for
    known: dict[tuple[str, int], socket.socket] = {}
    ready = selectors.DefaultSelector()
    ready.register(near, selectors.EVENT_READ)
    while True:
        for key, _ in ready.select():
            if key.data is not None:
                near.sendto(key.fileobj.recv(BYTES), key.data)  # type: ignore[union-attr]
                continue
            question, asker = near.recvfrom(BYTES)
            if asker not in known:
                known[asker] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                known[asker].connect((address, int(upstream_port)))
                ready.register(known[asker], selectors.EVENT_READ, asker)
            known[asker].send(question)


if __name__ == "__main__":
    main(*sys.argv[1:])
