"""Records of every kind: a Hypothesis strategy for any that the model allows.

`records()` draws hostile text and bytes wherever a peer or a list decides; instants are whole milliseconds, because a
row keeps no more. The DER behind every chain drawn is in `stories.CERTIFICATES`.
"""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from scanner.model.assessment import Assessment, Cause, Finding, Outcome, Prediction, Status, Verdict, Wait
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.policy import MtaSts, PolicyFetch, StsMode, StsPolicy, TlsRpt
from scanner.model.record import Evidence, Record
from scanner.model.route import Answer, Endpoint, MxHost, MxRecord, Route, TlsaRecord, Validity
from scanner.model.session import Canary, Handshake, Hello, Oddity, Reply, Role, Session
from scanner.model.target import Target, TlsPolicy
from scanner.protocols import certificate
from tests.unit.stories import DERS, MODELS

letters = st.text(st.characters(exclude_categories=()), max_size=20)
lines = st.binary(max_size=40)
integers = st.integers(0, (1 << 53) - 1)
instants = st.integers(0, 4_000_000_000_000).map(
    lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)


def tuples(each: st.SearchStrategy, most: int = 3) -> st.SearchStrategy:
    """A few."""
    return st.lists(each, max_size=most).map(tuple)


faults = st.builds(
    Fault,
    st.sampled_from(Stage),
    st.sampled_from(Kind),
    st.sampled_from(Side),
    letters,
    st.none() | st.integers(-(1 << 53) + 1, (1 << 53) - 1),
)
targets = st.builds(
    Target,
    st.integers(1, (1 << 53) - 1),
    letters,
    letters,
    tuples(st.tuples(letters, letters)),
    st.none() | faults,
    st.none() | st.sampled_from(TlsPolicy),
)


def answers(records: st.SearchStrategy) -> st.SearchStrategy:
    """RRsets of these records."""
    validity = st.sampled_from(Validity)
    return st.builds(Answer, letters, tuples(records), letters, st.none() | integers, validity, st.none() | faults)


tlsa_records = st.builds(TlsaRecord, st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), lines)
hosts = st.builds(
    MxHost,
    letters,
    st.integers(0, 65535),
    answers(st.ip_addresses(v=4).map(str)),
    answers(st.ip_addresses(v=6).map(str)),
    answers(tlsa_records),
    letters,
    st.sampled_from(Validity),
)
mx_records = st.builds(MxRecord, st.integers(0, 65535), letters)


def routes(domain: str) -> st.SearchStrategy[Route]:
    """Where mail for a domain goes."""
    return st.builds(
        Route, st.just(domain), answers(mx_records), tuples(hosts), integers, st.booleans(), st.booleans(), letters
    )


fetches = st.builds(PolicyFetch, letters, st.none() | integers, letters, st.binary(max_size=1024), st.none() | faults)
policies = st.builds(StsPolicy, st.sampled_from(StsMode), integers, tuples(letters))
mta_sts = st.builds(MtaSts, answers(lines), letters, st.none() | fetches, st.none() | policies, letters)
tls_rpt = st.builds(TlsRpt, answers(lines), tuples(letters), letters)

replies = st.none() | st.builds(Reply, st.integers(0, 599), tuples(lines, 4))
handshakes = st.builds(
    Handshake,
    letters,
    letters,
    st.none() | letters,
    letters,
    tuples(st.sampled_from(DERS).map(certificate.read)),
    st.integers(0, 20),
)
times = st.lists(st.sampled_from([it for it in Stage if it >= Stage.CONNECT]), unique=True).flatmap(
    lambda stages: st.tuples(*(st.tuples(st.just(it.word), integers) for it in sorted(stages)))
)
sessions = st.builds(
    Session,
    endpoint=st.builds(Endpoint, letters, letters, st.integers(0, 65535), letters),
    source=letters,
    source_address=letters,
    ehlo_name=letters,
    observed_at=instants,
    role=st.sampled_from(Role),
    hello=st.sampled_from(Hello),
    follow_up=integers,
    stage=st.sampled_from(Stage),
    egress=letters,
    greeting=replies,
    ehlo=replies,
    helo=replies,
    starttls=replies,
    handshake=st.none() | handshakes,
    ehlo_tls=replies,
    fault=st.none() | faults,
    oddities=tuples(st.sampled_from(Oddity)),
    unsolicited=lines,
    times_ms=times,
    shared=st.booleans(),
    inherited=st.booleans(),
)

canaries = st.builds(Canary, letters, integers, integers, integers, integers)
findings = st.builds(Finding, letters, letters, letters, letters, letters, letters)
causes = st.builds(Cause, letters, st.integers(0, 100), tuples(letters))
predictions = st.builds(
    Prediction,
    st.sampled_from(MODELS) | letters,
    letters,
    st.sampled_from(Outcome),
    letters,
    letters,
    letters,
    st.booleans(),
    letters,
)
waits = st.builds(Wait, letters, st.sampled_from(Role), st.none() | st.booleans(), st.sampled_from(Outcome), letters)
verdicts = st.sampled_from(Verdict)
assessments = st.builds(
    Assessment,
    status=st.sampled_from(Status),
    starttls=verdicts,
    webpki=verdicts,
    dane=verdicts,
    mta_sts=verdicts,
    tls_rpt=verdicts,
    differs_by_source=st.none() | st.booleans(),
    findings=tuples(findings),
    causes=tuples(causes),
    predictions=tuples(predictions),
    would_wait=st.none() | st.booleans(),
    waits=tuples(waits),
)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Any record at all; the route is that of the target."""
    target = draw(targets)
    evidence = st.builds(Evidence, routes(target.domain), mta_sts, tls_rpt, tuples(sessions), tuples(canaries))
    return Record(draw(letters), target, draw(instants), draw(st.none() | evidence), draw(assessments))
