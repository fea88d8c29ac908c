"""A resolver that knows what a test tells it, in a thread of its own."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

Records = Mapping[tuple[str, str], str]
"""Text of the data by owner (absolute, lower case) and type."""
BYTES = 65535
TTL_S = 60


@contextlib.contextmanager
def resolver(records: Records) -> Iterator[str]:
    """Serve, and say where: `address:port`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as served:
        served.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=serve, args=(served, records), daemon=True)
        thread.start()
        place = served.getsockname()
        try:
            yield f"{place[0]}:{place[1]}"
        finally:
            served.sendto(b"", place)
            thread.join()


def serve(served: socket.socket, records: Records) -> None:
    """Answer until an empty datagram comes."""
    while question := served.recvfrom(BYTES):
        if not question[0]:
            return
        served.sendto(answered(dns.message.from_wire(question[0]), records), question[1])


def answered(query: dns.message.Message, records: Records) -> bytes:
    """The records, or that there are none."""
    asked = query.question[0]
    response = dns.message.make_response(query)
    response.flags |= dns.flags.RA
    owner = asked.name.to_text(omit_final_dot=False).lower()
    data = records.get((owner, dns.rdatatype.to_text(asked.rdtype)))
    if data is not None:
        response.answer.append(dns.rrset.from_text(asked.name, TTL_S, dns.rdataclass.IN, asked.rdtype, data))
    elif owner != "." and owner not in {name for name, _ in records}:
        response.set_rcode(dns.rcode.NXDOMAIN)
    return bytes(response.to_wire())
