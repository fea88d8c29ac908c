"""What our prober writes down of a real Sendmail with an access map."""

from scanner.model.fault import Kind, Stage
from scanner.protocols.ehlo import keywords
from tests.servers.lab import BLOCKED_FROM, HIDDEN_FROM, code, faulted, offered, seen
from tests.servers.sendmail import GREET_PAUSE_MS, Sendmail


async def test_the_greet_pause_is_waited_out(sendmail: Sendmail) -> None:
    """Who speaks first is answered 554, so nothing is said before the greeting."""
    session = await seen(sendmail.address)
    assert session.stage is Stage.DONE
    assert session.handshake is not None
    assert dict(session.times_ms)["greeting"] >= GREET_PAUSE_MS * 0.9
    assert session.oddities == ()


async def test_a_greeting_that_we_do_not_wait_for_is_a_timeout(sendmail: Sendmail) -> None:
    """A fact about our patience, not about the server: no word was sent, so it saw no one speak early."""
    session = await seen(sendmail.address, greeting_s=0.2)
    assert faulted(session) == (Stage.GREETING, Kind.TIMEOUT, None)
    assert session.ehlo is None


async def test_starttls_is_hidden_from_one_client_address_only(sendmail: Sendmail) -> None:
    """`Srv_Features:` with S: the keyword is gone, and STARTTLS is 503 there."""
    hidden = await seen(sendmail.address, HIDDEN_FROM)
    assert "STARTTLS" not in offered(hidden)
    assert code(hidden, "starttls") == 503
    assert hidden.fault is None
    assert "STARTTLS" in offered(await seen(sendmail.address))


async def test_a_rejected_client_is_greeted_and_offered_nothing(sendmail: Sendmail) -> None:
    """`Connect:` REJECT hides behind 220 and 250; only the 550 to STARTTLS, and the bare EHLO, tell of it."""
    session = await seen(sendmail.address, BLOCKED_FROM)
    assert code(session, "greeting") == 220
    assert session.ehlo is not None
    assert session.ehlo.code == 250
    assert keywords(session.ehlo) == ("ENHANCEDSTATUSCODES",)
    assert session.starttls is not None
    assert session.starttls.lines == (b"550 5.7.1 Access denied",)
    assert session.fault is None
