"""What a server would take, beside what it takes from a sender: the sessions of `--deep`, and nothing but hygiene.

Touches: nothing. Source: docs/adr/0006-deep.md; RFC 8996 sections 4 and 5, RFC 9325 sections 3.1.1 and 4.1.
"""

from collections.abc import Iterable, Iterator

from scanner.assess.case import Case, View
from scanner.model.assessment import Finding
from scanner.model.session import Handshake, Hello, Session
from scanner.protocols import mx
from scanner.protocols.suites import Weakness, weaknesses

OLD = ("TLSv1", "TLSv1.1")


def findings(case: Case) -> Iterator[Finding]:
    """Everything that was taken and should not be, and what should be and was not."""
    groups: dict[tuple[str, str, str], list[Session]] = {}
    for session in case.evidence.sessions:
        if session.hello.is_deep:
            groups.setdefault(_place(session), []).append(session)
    for place, sessions in groups.items():
        usual = (it for it in case.evidence.sessions if not it.hello.is_deep and _place(it) == place)
        yield from _of_server(View(*place, tuple(sessions)), next((it.handshake for it in usual if it.handshake), None))


def _place(session: Session) -> tuple[str, str, str]:
    return session.endpoint.mx, session.endpoint.address, session.source


def _of_server(view: View, usual: Handshake | None) -> Iterator[Finding]:
    """Leave out what a sender gets: that is told as being in use."""
    taken = [session.handshake for session in view.sessions if session.handshake is not None]
    in_use = frozenset() if usual is None else weaknesses(usual.cipher)
    versions = {each.version for each in taken} - ({usual.version} if usual is not None else set())
    if versions & set(OLD):
        yield view.finding("old-tls-accepted", ", ".join(version for version in OLD if version in versions))
    for weakness in Weakness:
        suites = sorted({each.cipher for each in taken if weakness in weaknesses(each.cipher) - in_use})
        if suites:
            yield view.finding("weak-suite-accepted", f"{weakness}: {', '.join(suites)}")
    if is_refused(Hello.ONLY_TLS_1_3, view.sessions):
        yield view.finding("no-tls-1-3")


def is_refused(hello: Hello, sessions: Iterable[Session]) -> bool:
    """Tell whether the server refused this offer, rather than us, the moment, or the client."""
    return any(mx.deserves_wide_hello(session) for session in sessions if session.hello is hello)
