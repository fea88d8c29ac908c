from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest

from scanner.model.fault import Kind, Side, Stage
from scanner.model.route import Answer, MxRecord, TlsaRecord, Validity
from scanner.net import validating
from scanner.net.validating import ValidatingResolver, trusted_path
from tests.unit.net import scripted_dns as play

MANY = [f"many.test. 60 IN MX {n} mx{n}.many.test." for n in range(200)]

ZONE: dict[tuple[str, str], play.Act] = {
    ("secure.test", "A"): play.records("secure.test. 60 IN A 192.0.2.1", ad=True),
    ("insecure.test", "A"): play.records("insecure.test. 60 IN A 192.0.2.1"),
    ("nodata.test", "A"): play.nothing(ad=True),
    ("plain-nodata.test", "A"): play.nothing(),
    ("nxdomain.test", "A"): play.rcode("NXDOMAIN", ad=True),
    ("plain-nxdomain.test", "A"): play.rcode("NXDOMAIN"),
    ("bogus.test", "A"): play.unless_checking_is_disabled(
        play.explained(6, "no signature"), play.records("bogus.test. 60 IN A 192.0.2.66")
    ),
    ("bogus-denial.test", "A"): play.unless_checking_is_disabled(play.rcode("SERVFAIL"), play.rcode("NXDOMAIN")),
    ("dead.test", "A"): play.rcode("SERVFAIL"),
    ("half-dead.test", "A"): play.unless_checking_is_disabled(play.rcode("SERVFAIL"), play.silence),
    ("refused.test", "A"): play.rcode("REFUSED"),
    ("notimp.test", "A"): play.rcode("NOTIMP"),
    ("formerr.test", "A"): play.rcode("FORMERR"),
    ("yxdomain.test", "A"): play.rcode("YXDOMAIN"),
    ("garbage.test", "A"): play.garbage,
    ("wrong-id.test", "A"): play.wrong_id,
    ("loop.test", "A"): play.records("loop.test. 60 IN CNAME loop.test.", ad=True),
    ("www.test", "A"): play.records("www.test. 300 IN CNAME b.test.", "b.test. 100 IN A 192.0.2.1", ad=True),
    ("www.test", "CNAME"): play.records("www.test. 300 IN CNAME b.test.", ad=True),
    ("alias.test", "A"): play.records("alias.test. 60 IN CNAME nothing.test."),
    ("null.test", "MX"): play.records("null.test. 60 IN MX 0 .", ad=True),
    ("many.test", "MX"): play.records(*MANY, ad=True),
    ("txt.test", "TXT"): play.records('txt.test. 60 IN TXT "a" "b\\255"', ad=True),
    ("ok.test", "AAAA"): play.records("ok.test. 60 IN AAAA 2001:db8::1", ad=True),
    ("_25._tcp.mx.test", "TLSA"): play.records("_25._tcp.mx.test. 60 IN TLSA 3 1 1 " + "ab" * 32, ad=True),
    ("rotten.test", "A"): play.after(1, play.silence, play.records("rotten.test. 60 IN A 192.0.2.9", ad=True)),
}


async def asked(name: str, kind: str = "ipv4", deadline_s: float = 5.0) -> Answer[Any]:
    """Ask the scripted server one question."""
    with play.answering(ZONE) as server:
        ask: Callable[[str], Awaitable[Answer[Any]]] = getattr(ValidatingResolver(server.place, deadline_s), kind)
        return await ask(name)


@pytest.mark.parametrize(
    ("name", "validity", "kind"),
    [
        ("secure.test", Validity.SECURE, None),
        ("insecure.test", Validity.INSECURE, None),
        ("nodata.test", Validity.SECURE, Kind.NODATA),
        ("plain-nodata.test", Validity.INSECURE, Kind.NODATA),
        ("alias.test", Validity.INSECURE, Kind.NODATA),
        ("nxdomain.test", Validity.SECURE, Kind.NXDOMAIN),
        ("plain-nxdomain.test", Validity.INSECURE, Kind.NXDOMAIN),
        ("bogus.test", Validity.BOGUS, Kind.BOGUS),
        ("bogus-denial.test", Validity.BOGUS, Kind.BOGUS),
        ("dead.test", Validity.INDETERMINATE, Kind.SERVFAIL),
        ("half-dead.test", Validity.INDETERMINATE, Kind.SERVFAIL),
        ("refused.test", Validity.INDETERMINATE, Kind.DNS_REFUSED),
        ("notimp.test", Validity.INDETERMINATE, Kind.NOTIMP),
        ("formerr.test", Validity.INDETERMINATE, Kind.FORMERR),
        ("yxdomain.test", Validity.INDETERMINATE, Kind.DNS_MALFORMED),
        ("loop.test", Validity.INDETERMINATE, Kind.DNS_MALFORMED),
        ("silence.test", Validity.INDETERMINATE, Kind.DNS_TIMEOUT),
        ("garbage.test", Validity.INDETERMINATE, Kind.DNS_TIMEOUT),
        ("wrong-id.test", Validity.INDETERMINATE, Kind.DNS_TIMEOUT),
        ("ok\0.test", Validity.INDETERMINATE, Kind.DNS_MALFORMED),
    ],
)
async def test_rfc_4035_s4_3_every_answer_has_a_security_status(
    name: str, validity: Validity, kind: Kind | None
) -> None:
    is_slow = kind is Kind.DNS_TIMEOUT or name == "half-dead.test"
    answer = await asked(name, deadline_s=0.5 if is_slow else 5)
    assert (answer.validity, answer.fault and answer.fault.kind) == (validity, kind)
    if answer.fault is not None:
        assert (answer.fault.stage, answer.fault.side, answer.records) == (Stage.RESOLVE, Side.REMOTE, ())


@pytest.mark.parametrize(
    ("name", "kind", "found"),
    [
        ("www.test", "ipv4", ("192.0.2.1",)),
        ("www.test", "cname", ("b.test",)),
        ("ok.test", "ipv6", ("2001:db8::1",)),
        ("null.test", "mx", (MxRecord(0, ""),)),
        ("txt.test", "txt", (b"ab\xff",)),
        ("_25._tcp.mx.test", "tlsa", (TlsaRecord(3, 1, 1, b"\xab" * 32),)),
    ],
)
async def test_records_come_back_as_published_and_secure(name: str, kind: str, found: tuple[Any, ...]) -> None:
    answer = await asked(name, kind)
    assert answer.records == found
    assert (answer.validity, answer.fault) == (Validity.SECURE, None)


async def test_an_alias_gives_the_canonical_name_and_the_smallest_ttl() -> None:
    answer = await asked("www.test")
    assert (answer.canonical_name, answer.ttl_s) == ("b.test", 100)
    assert (await asked("secure.test")).canonical_name == "secure.test"


async def test_a_long_answer_is_fetched_by_tcp() -> None:
    answer = await asked("many.test", "mx")
    assert len(answer.records) == len(MANY)
    assert answer.validity is Validity.SECURE


async def test_a_lost_packet_is_sent_again() -> None:
    assert (await asked("rotten.test", deadline_s=2)).records == ("192.0.2.9",)


async def test_rfc_8914_the_reason_of_a_bogus_answer_is_kept() -> None:
    fault = (await asked("bogus.test")).fault
    assert fault is not None
    assert "no signature" in fault.detail


async def test_a_dead_resolver_is_our_own_fault() -> None:
    resolver = ValidatingResolver(play.dead_place(), 5)
    fault = (await resolver.mx("ok.test")).fault
    assert fault is not None
    assert (fault.kind, fault.side) == (Kind.RESOLVER_DOWN, Side.OURS)
    assert await resolver.canary() == fault


@pytest.mark.parametrize(
    ("root", "is_proof"),
    [
        (play.records(". 60 IN NS a.test.", ad=True), True),
        (play.records(". 60 IN NS a.test."), False),
        (play.rcode("SERVFAIL"), False),
        (play.silence, False),
    ],
    ids=["AD", "no AD", "SERVFAIL", "silence"],
)
async def test_a_resolver_proves_validation_by_the_root(root: play.Act, *, is_proof: bool) -> None:
    with play.answering({(".", "NS"): root}) as server:
        assert await ValidatingResolver(server.place, 0.5).proves_validation() is is_proof


@pytest.mark.parametrize(
    ("server", "is_trusted"),
    [
        ("127.0.0.1", True),
        ("127.0.0.53:5353", True),
        ("[::1]:53", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.53", False),
        ("10.0.0.1", False),
        ("2001:db8::53", False),
    ],
)
def test_rfc_4035_s4_9_3_only_loopback_is_a_trusted_path(server: str, *, is_trusted: bool) -> None:
    assert trusted_path(server) is is_trusted


async def test_cancellation_passes() -> None:
    with play.answering({}) as server, anyio.move_on_after(0.05) as scope:
        await ValidatingResolver(server.place, 60).mx("ok.test")
    assert scope.cancelled_caught


async def test_rfc_7672_s2_2_3_a_record_that_the_library_refuses_is_kept() -> None:
    """A digest of the wrong length makes the record unusable, and that it is there makes TLS mandatory."""
    name = "_25._tcp.short.test"
    wire = bytes((3, 1, 1, 0, 0xAA))

    def short(question: play.Question) -> bytes:
        response = dns.message.make_response(question.message)
        response.flags |= dns.flags.AD
        rdata = dns.rdata.GenericRdata(dns.rdataclass.IN, dns.rdatatype.TLSA, wire)
        rrset = dns.rrset.RRset(dns.name.from_text(name), dns.rdataclass.IN, dns.rdatatype.TLSA)
        rrset.add(rdata, 60)
        response.answer.append(rrset)
        return response.to_wire()

    with play.answering({(name, "TLSA"): short}) as server:
        answer = await ValidatingResolver(server.place, 20).tlsa(name)
    assert (answer.records, answer.validity) == ((TlsaRecord(3, 1, 1, b"\x00\xaa"),), Validity.SECURE)
    assert answer.fault is None


def test_an_answer_that_ends_too_soon_is_malformed_and_no_bug() -> None:
    """The message is read leniently, its TLSA records once more and as they are."""
    query = dns.message.make_query("_25._tcp.mx.test", "TLSA")
    response = dns.message.make_response(query)
    response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "TLSA", "3 1 1 " + "ab" * 32))
    cut = validating._read(response.to_wire()[:-3])
    assert cut is not None
    answer = validating._answer("_25._tcp.mx.test", "TLSA", cut, None)
    assert answer.records == ()
    assert answer.fault is not None
    assert answer.fault.kind is Kind.DNS_MALFORMED


@pytest.mark.parametrize("how", ["MemoryError", "wrapped"])
def test_a_record_that_is_left_out_for_want_of_memory_is_not_missing(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library goes on with the next record; without its TLSA a host would have no DANE."""
    response = dns.message.make_response(dns.message.make_query("_25._tcp.mx.test", "TLSA"))
    response.answer.append(dns.rrset.from_text(response.question[0].name, 60, "IN", "TLSA", "3 1 1 " + "ab" * 32))
    wire = response.to_wire()

    def without_memory(*_: object, **__: object) -> None:
        if how == "MemoryError":
            raise MemoryError
        raise dns.exception.FormError from MemoryError()

    monkeypatch.setattr("dns.rdata.from_wire_parser", without_memory)
    with pytest.raises(MemoryError):
        validating._read(wire)


def test_records_of_another_class_than_asked_for_are_passed_over() -> None:
    query = dns.message.make_query("mx.test", "A")
    response = dns.message.make_response(query)
    chaos = dns.rdata.GenericRdata(dns.rdataclass.CH, dns.rdatatype.A, b"\x01d\x00\x00\x01")
    response.answer.append(dns.rrset.from_rdata(query.question[0].name, 60, chaos))
    answer = validating._answer("mx.test", "A", response, lambda found: str(found.address))
    assert answer.records == ()
    assert answer.fault is not None
    assert answer.fault.kind is Kind.NODATA
