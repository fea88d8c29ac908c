import pytest

from scanner.explain import matrix
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.session import Canary, Hello, Session
from tests.unit.explain.pages import HIDDEN, as_witness, bare, seen
from tests.unit.stories import host, reply, session

GREETING = reply(b"220 mx.example.test ESMTP")
WITHOUT = bare(GREETING)
LOST = bare(None, stage=Stage.CONNECT, starttls=None, fault=Fault(Stage.GREETING, Kind.TIMEOUT))
BROKEN = session(
    stage=Stage.STARTTLS, handshake=None, ehlo_tls=None, fault=Fault(Stage.HANDSHAKE, Kind.TLS_ALERT, code=40)
)
OURS = bare(None, stage=Stage.RESOLVE, starttls=None, fault=Fault(Stage.CONNECT, Kind.NO_FAMILY, Side.OURS))


def again(made: Session, number: int = 1) -> Session:
    return session(**{name: getattr(made, name) for name in made.__dataclass_fields__} | {"follow_up": number})


def wide(made: Session) -> Session:
    return session(**{name: getattr(made, name) for name in made.__dataclass_fields__} | {"hello": Hello.WIDE})


@pytest.mark.parametrize(
    ("sessions", "cell"),
    [
        ((session(),), "Y"),
        ((WITHOUT,), "-"),
        ((BROKEN,), "!"),
        ((LOST,), "?"),
        ((OURS,), "?"),
        ((session(), again(WITHOUT)), "Y-"),
        ((WITHOUT, again(WITHOUT), again(WITHOUT, 2)), "---"),
        ((BROKEN, wide(session())), "Y"),
        ((session(), session(hello=Hello.ONLY_TLS_1_0, stage=Stage.STARTTLS, handshake=None)), "Y"),
    ],
)
def test_a_cell_holds_one_sign_a_visit(sessions: tuple[Session, ...], cell: str) -> None:
    [row] = matrix.matrix(seen(*sessions)).rows
    assert row.cells == (cell,)


def test_rows_are_addresses_and_columns_are_sources_mail_first() -> None:
    table = matrix.matrix(seen(as_witness(session()), WITHOUT))
    assert table.sources == (("mail", "198.51.100.10"), ("witness", "203.0.113.7"))
    assert [(row.preference, row.mx, row.address, row.cells) for row in table.rows] == [
        (10, "mx.example.test", "192.0.2.1", ("-", "Y"))
    ]


def test_a_source_that_did_not_visit_has_a_dot() -> None:
    other = host("mx2.example.test")
    evidence = seen(session())
    way = evidence.route.__class__(evidence.route.domain, evidence.route.mx, (*evidence.route.hosts, other))
    rows = matrix.matrix(evidence.__class__(way, evidence.mta_sts, evidence.tls_rpt, evidence.sessions)).rows
    assert [row.cells for row in rows] == [("Y",), (".",)]


def test_what_our_own_egress_loses_cannot_be_told() -> None:
    evidence = seen(WITHOUT)
    lost = evidence.__class__(
        evidence.route, evidence.mta_sts, evidence.tls_rpt, evidence.sessions, (Canary("mail", missing=3),)
    )
    assert matrix.matrix(lost).rows[0].cells == ("?",)


def test_rows_where_sources_disagree_are_the_most_interesting() -> None:
    def interest(*cells: str) -> int:
        return matrix.interest(matrix.Row(10, "mx", "192.0.2.1", cells))

    assert interest("-", "Y") < interest("-", "-") < interest("Y", "Y")
    assert interest("Y-", ".") < interest("Y", ".")


def test_the_legend_tells_the_signs_that_are_used() -> None:
    assert HIDDEN.evidence is not None
    *_, legend = (line.text for line in matrix.lines(matrix.matrix(HIDDEN.evidence)))
    assert legend.strip() == "Y TLS works   - not offered   (one sign a visit)"


def test_nobody_visited_makes_no_table() -> None:
    assert list(matrix.lines(matrix.matrix(seen()))) == []
