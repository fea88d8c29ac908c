"""What our prober writes down of a real Exim, whose access lists look at who is calling."""

import pytest

from scanner.model.fault import Kind, Stage
from tests.servers.exim import DELAY_S, Exim
from tests.servers.lab import (
    BLOCKED_FROM,
    DELAYED_FROM,
    GREYLISTED_FROM,
    HIDDEN_FROM,
    TLS_DENIED_FROM,
    TLS_LATER_FROM,
    code,
    faulted,
    offered,
    seen,
)


async def test_a_greeting_of_three_lines_is_one_greeting(exim: Exim) -> None:
    """RFC 5321 section 4.2: only the last line counts, all are kept."""
    session = await seen(exim.address)
    assert session.greeting is not None
    assert session.greeting.lines == (b"220-exim.lab.test ESMTP lab", b"220-second line", b"220 third")
    assert session.stage is Stage.DONE
    assert session.handshake is not None
    assert session.handshake.version == "TLSv1.3"
    assert session.oddities == ()


async def test_starttls_is_hidden_from_one_client_address_only(exim: Exim) -> None:
    """`tls_advertise_hosts`: where it is not advertised, it is refused with 503, and that is no fault."""
    hidden = await seen(exim.address, HIDDEN_FROM)
    assert "STARTTLS" not in offered(hidden)
    assert code(hidden, "starttls") == 503
    assert hidden.fault is None
    assert "STARTTLS" in offered(await seen(exim.address))


@pytest.mark.parametrize(
    ("client", "kind", "reply"),
    [(BLOCKED_FROM, Kind.REPLY_5XX, 550), (GREYLISTED_FROM, Kind.REPLY_4XX, 451)],
)
async def test_a_client_refused_at_the_door_sees_nothing_more(exim: Exim, client: str, kind: Kind, reply: int) -> None:
    """Exim greets with the refusal and closes without waiting for QUIT."""
    session = await seen(exim.address, client)
    assert faulted(session) == (Stage.GREETING, kind, reply)
    assert session.ehlo is None


@pytest.mark.parametrize(
    ("client", "kind", "reply"),
    [(TLS_LATER_FROM, Kind.REPLY_4XX, 451), (TLS_DENIED_FROM, Kind.REPLY_5XX, 550)],
)
async def test_starttls_may_be_promised_and_refused(exim: Exim, client: str, kind: Kind, reply: int) -> None:
    """RFC 3207 section 4: offered to all, and then denied to some."""
    session = await seen(exim.address, client)
    assert "STARTTLS" in offered(session)
    assert faulted(session) == (Stage.STARTTLS, kind, reply)
    assert session.handshake is None


async def test_a_delay_for_one_client_is_waited_out(exim: Exim) -> None:
    """Slow is not dead."""
    session = await seen(exim.address, DELAYED_FROM)
    assert session.stage is Stage.DONE
    assert dict(session.times_ms)["greeting"] >= DELAY_S * 900


async def test_a_name_without_a_dot_is_refused(exim: Exim) -> None:
    """Both EHLO and HELO are, so there is no way in."""
    session = await seen(exim.address, ehlo_name="foo")
    assert faulted(session) == (Stage.EHLO, Kind.REPLY_5XX, 550)
    assert session.helo is not None
    assert session.helo.code == 550


async def test_our_address_is_echoed(exim: Exim) -> None:
    """The first EHLO line says as whom we were seen."""
    assert (await seen(exim.address, HIDDEN_FROM)).egress == HIDDEN_FROM
