"""MTA-STS in the namespace: domains with a policy, the web server that shows it, and what a plugin tells Postfix of it.

Postfix has no MTA-STS of its own: a plugin answers its policy lookups, `secure match=... servername=hostname` for an
enforced policy and nothing for any other. That is the whole of what Postfix learns, so it stands in the table here; how
plugins read policies is compared in tests/oracles.
"""

import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.servers import dns, exim, postfix
from tests.servers.lab import Lab

POLICY_HOST = "192.0.2.245"
PATH = "/.well-known/mta-sts.txt"
CHAINED = postfix.FACES["chained"][0]


@dataclass(frozen=True, slots=True)
class Domain:
    """`<name>.sts.test`: where its mail goes, in order of preference, and its policy; `mx` are the patterns in it."""

    name: str
    addresses: tuple[str, ...]
    mode: str = "enforce"
    mx: tuple[str, ...] = ("*.{domain}",)

    @property
    def domain(self) -> str:
        """The name on the list."""
        return f"{self.name}.sts.test"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The MX hosts."""
        return tuple(f"mx{number}.{self.domain}" for number, _ in enumerate(self.addresses, 1))

    @property
    def patterns(self) -> tuple[str, ...]:
        """As in the policy."""
        return tuple(pattern.format(domain=self.domain) for pattern in self.mx)

    @property
    def policy(self) -> bytes:
        """RFC 8461 section 3.2."""
        lines = ["version: STSv1", f"mode: {self.mode}", *(f"mx: {it}" for it in self.patterns), "max_age: 604800", ""]
        return "\r\n".join(lines).encode()

    @property
    def told_to_postfix(self) -> str:
        """One line of the policy table; a wildcard of one label is `.domain` there."""
        if self.mode != "enforce":
            return ""
        names = ":".join(pattern.removeprefix("*") for pattern in self.patterns)
        return f"{self.domain} secure match={names} servername=hostname\n"


DOMAINS = (
    Domain("good", (CHAINED,)),
    Domain("named", (CHAINED,), mx=("mx1.{domain}",)),
    Domain("tls13", (postfix.FACES["tls13"][0],)),
    Domain("old", (postfix.FACES["tls10"][0],)),
    Domain("plain", (postfix.FACES["plain"][0],)),
    Domain("expired", (postfix.FACES["expired"][0],)),
    Domain("misnamed", (postfix.FACES["misnamed"][0],)),
    Domain("anonymous", (postfix.FACES["anonymous"][0],)),
    Domain("unreadable", (postfix.FACES["unreadable"][0],)),
    Domain("uncovered", (CHAINED,), mx=("mx.other.test",)),
    Domain("exim", (exim.ADDRESS,)),
    Domain("next", (postfix.FACES["plain"][0], CHAINED)),
    Domain("testing-plain", (postfix.FACES["plain"][0],), mode="testing"),
    Domain("testing-misnamed", (postfix.FACES["misnamed"][0],), mode="testing"),
    Domain("testing-good", (CHAINED,), mode="testing"),
    Domain("none", (postfix.FACES["plain"][0],), mode="none"),
)
HOSTS = tuple(name for each in DOMAINS for name in (f"mta-sts.{each.domain}", *each.hosts))


def zone() -> dns.Zone:
    """What DNS says of them."""
    lines = ["@ NS ns2.test.\n"]
    for each in DOMAINS:
        lines += [f"$ORIGIN {each.domain}.\n", '_mta-sts TXT "v=STSv1; id=1"\n', f"mta-sts A {POLICY_HOST}\n"]
        lines += [f"@ MX {number}0 mx{number}\nmx{number} A {it}\n" for number, it in enumerate(each.addresses, 1)]
    return dns.Zone("sts.test.", "".join(lines), is_signed=False)


@contextlib.contextmanager
def policies(lab: Lab) -> Iterator[None]:
    """The web server of all policy hosts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(lab.pairs.chained.certificate, lab.pairs.chained.key)
    with ThreadingHTTPServer((POLICY_HOST, 443), Policies) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class Policies(BaseHTTPRequestHandler):
    """Shows the policy of the domain whose policy host was asked."""

    def do_GET(self) -> None:
        """RFC 8461 section 3.3."""
        host = (self.headers["Host"] or "").partition(":")[0]
        policy = next((each.policy for each in DOMAINS if host == f"mta-sts.{each.domain}"), None)
        is_found = self.path == PATH and policy is not None
        self.send_response(200 if is_found else 404)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(policy or b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the library gave it
        """Say nothing."""
