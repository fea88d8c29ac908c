"""What servers that the user named show to each source: is port 25 open, is STARTTLS there, which address do they see?

A source that loses STARTTLS at servers known to offer it measures its own network, and no partner's.

Touches: nothing. Source: RFC 3207 section 4, RFC 5321 sections 3.1 and 4.1.1.1 (greeting, EHLO).
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence

from scanner.cli.doctor.check import Check, fail, ok, warn
from scanner.cli.doctor.sources import is_left_to_kernel
from scanner.model.route import ip_version
from scanner.model.session import Session, Source
from scanner.protocols.canaries import Sighting, sighting
from scanner.protocols.special_addresses import refusal

NAME_ONE = "name a domain or mail host that you may visit, best one of your own: --canary mail.example.org"


def canary_checks(
    sources: Sequence[Source], sessions: Sequence[Session], unknown: Sequence[str], *, were_named: bool
) -> Iterator[Check]:
    """Judge every source by the sessions it held; `unknown` are canaries without an address."""
    for name in unknown:
        yield warn(
            "canary",
            f"{name} has no address to visit",
            "name a domain that takes mail, or a mail host, not excluded",
            name,
        )
    for source in sources:
        held = [session for session in sessions if session.source == source.name]
        if held:
            yield from held_checks(source, held)
        else:
            reason = "no canary has an address of its family" if were_named else "not tried: no server was named"
            yield warn("port", reason, NAME_ONE, source.name)
    yield from shared_egress(egresses(sessions))


def held_checks(source: Source, held: Sequence[Session]) -> Iterator[Check]:
    """Judge one source that has visited somebody."""
    yield port(source, held)
    spoke = [session for session in held if session.greeting is not None]
    if not spoke:
        return
    yield welcome(source, spoke)
    answered = [session for session in spoke if session.ehlo is not None and session.ehlo.is_positive]
    if answered:
        yield starttls(source, answered)
        yield egress(source, egresses(answered).get(source.name, ()))


def port(source: Source, held: Sequence[Session]) -> Check:
    """Judge whether connections leave."""
    number = held[0].endpoint.port
    lost = [session for session in held if session.greeting is None]
    reason = f"port {number}: {len(held) - len(lost)} of {len(held)} canary addresses greet"
    if not lost:
        return ok("port", reason, source.name)
    fault = lost[0].fault
    detail = f"; {lost[0].endpoint.address}: {fault.kind} at {fault.stage.word} {fault.detail}" if fault else ""
    remedy = f"open outgoing TCP port {number} for this source: ask the provider or look at the firewall"
    judged = fail if len(lost) == len(held) else warn
    return judged("port", (reason + detail).strip(), remedy, source.name)


def welcome(source: Source, spoke: Sequence[Session]) -> Check:
    """Judge whether servers talk to us at all."""
    cold = [each for each in spoke if each.greeting is not None and not each.greeting.is_positive]
    if not cold or cold[0].greeting is None:
        return ok("welcome", f"{len(spoke)} canary addresses let this source talk", source.name)
    said = b" ".join(cold[0].greeting.lines).decode("utf-8", "backslashreplace")[:200]
    remedy = "read what it says: usually the reputation of this address; see --dnsbl"
    return warn("welcome", f"{cold[0].endpoint.address} refuses this source: {said}", remedy, source.name)


def starttls(source: Source, answered: Sequence[Session]) -> Check:
    """Judge whether the keyword comes through."""
    remedy = "something between this source and the servers changes mail (fixup, ESMTP inspection): switch it off"
    seen = {session.endpoint.address: sighting(session) for session in answered}
    mangled = [address for address, what in seen.items() if what is Sighting.MANGLED]
    if mangled:
        return fail("starttls", f"the keyword of {mangled[0]} arrives overwritten", remedy, source.name)
    missing = [address for address, what in seen.items() if what is not Sighting.OFFERED]
    reason = f"{len(seen) - len(missing)} of {len(seen)} canary addresses offer STARTTLS"
    if not missing:
        return ok("starttls", reason, source.name)
    judged = fail if len(missing) == len(seen) else warn
    return judged("starttls", f"{reason}; {missing[0]} does not", remedy, source.name)


def egresses(sessions: Iterable[Session]) -> dict[str, tuple[str, ...]]:
    """Collect, by source, the addresses of ours that servers saw, each once."""
    found: dict[str, tuple[str, ...]] = {}
    for session in sessions:
        if session.egress:
            found[session.source] = tuple(dict.fromkeys((*found.get(session.source, ()), session.egress)))
    return found


def egress(source: Source, seen: Sequence[str]) -> Check:
    """Judge the address that servers see."""
    if not seen:
        return ok("egress", "not told: no canary repeats the address it sees", source.name)
    words = ", ".join(seen)
    same_family = [address for address in seen if is_same_family(source, address)] or list(seen)
    if len(same_family) > 1:
        remedy = "pin the translation of this source to one public address"
        return warn("egress", f"servers see changing addresses: {words}", remedy, source.name)
    if is_left_to_kernel(source) or same_family[0] == str(ipaddress.ip_address(source.address)):
        return ok("egress", f"servers see {words}", source.name)
    remedy = "give this source a way out under its own address, or name the address that servers see"
    judged = fail if refusal(source.address) is None else warn
    return judged("egress", f"servers see {words} instead of {source.address}", remedy, source.name)


def is_same_family(source: Source, address: str) -> bool:
    """Tell whether a seen address can be that of a source."""
    return ip_version(source.address or address) == ip_version(address)


def shared_egress(seen: Mapping[str, Sequence[str]]) -> Iterator[Check]:
    """Find sources that leave by one address: to compare them says nothing."""
    by_address: dict[str, list[str]] = {}
    for source, addresses in seen.items():
        for address in addresses:
            by_address.setdefault(address, []).append(source)
    for address, sources in by_address.items():
        if len(sources) > 1:
            remedy = "translate each source to a public address of its own; until then scan from one"
            yield fail("egress", f"several sources leave as {address}", remedy, ", ".join(sources))
