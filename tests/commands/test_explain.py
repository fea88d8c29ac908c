"""One domain on one page: visited now, read from a file, or named by a line of a mail queue."""

import contextlib
import gzip
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from scanner.cli.exits import Exit
from tests.commands.starttls import (
    COMMAND,
    PATIENCE_S,
    ROOT,
    SILENT,
    Ended,
    Lab,
    environment,
    listed,
    rows_of,
    starttls,
)

HIDDEN = "source-hidden.lab.test"
OF_2006 = "The remote SMTP service does not support TLS."
NOT_OFFERED = f"TLS is required, but was not offered by host mx-{HIDDEN}"
TIMES = re.compile(r"\d{4}-\d\d-\d\d\s+\d\d:\d\d:\d\d\s+UTC|^ *\d+ ms", re.MULTILINE)


@pytest.fixture(scope="module")
def scanned(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of rows from both sources."""
    folder = tmp_path_factory.mktemp("explain")
    names = [HIDDEN, "plain-good.lab.test"]
    words = ("scan", listed(folder / "list", names), "--sources", "each", "-q", "-o", folder / "rows.jsonl", *lab.flags)
    assert starttls(*words).code == Exit.OK
    return folder / "rows.jsonl"


def page(ending: Ended, code: Exit = Exit.OK) -> str:
    """What was shown, and nothing beside it."""
    assert (ending.code, ending.err) == (code, ""), ending
    return ending.out.decode()


def flat(text: str) -> str:
    """Text without its line breaks."""
    return " ".join(text.split())


def cells(text: str) -> list[str]:
    """The signs behind the one address."""
    [row] = re.findall(r"^ {5}[0-9.]+ +([-Y!?. ]+)$", text, re.MULTILINE)
    return str(row).split()


def test_starttls_that_is_hidden_from_the_mail_source_is_seen_at_a_glance() -> None:
    text = page(starttls("explain", HIDDEN, "--lab", "--policy", "encrypt"))
    mail, witness = cells(text)
    assert set(mail) == {"-"}
    assert set(witness) == {"Y"}
    assert "with TLS required (encrypt), would WAIT in the queue." in flat(text)
    assert NOT_OFFERED in flat(text)
    assert OF_2006 in text
    assert "client-policy" in text
    assert "C: STARTTLS\n" in text
    assert "502 5.5.1 Error: command not implemented" in text


def test_two_sources_are_compared_without_being_asked_to(lab: Lab) -> None:
    text = page(starttls("explain", HIDDEN, *lab.flags))
    assert len(cells(text)) == 2
    assert "would go out in CLEAR TEXT" in flat(text)


def test_the_phrase_of_2006_is_understood() -> None:
    text = flat(page(starttls("explain", OF_2006)))
    assert "This is how Exchange 2000, 2003 says it." in text
    assert "hide STARTTLS from one client address" in text
    assert "starttls explain partner.example --policy encrypt" in text


def test_the_phrase_of_2006_with_a_domain_looks_at_the_domain(lab: Lab) -> None:
    text = page(starttls("explain", f"Remote domain {HIDDEN}: {OF_2006}", *lab.flags))
    assert "This is how Exchange 2000, 2003 says it." in flat(text)
    assert "with TLS required (encrypt), would WAIT in the queue." in flat(text)
    assert [set(each) for each in cells(text)] == [{"-"}, {"Y"}]


@pytest.mark.parametrize("line", [f"to=<user@{HIDDEN}>, relay=mx[192.0.2.1]:25, status=deferred ({NOT_OFFERED}[1])"])
def test_a_log_line_on_standard_input_is_understood(scanned: Path, line: str) -> None:
    text = page(starttls("explain", "-", "--from", scanned, given=line.encode()))
    assert "This is how Postfix says it." in text
    assert "with TLS required (encrypt), would WAIT in the queue." in flat(text)


def test_a_stored_row_gives_the_page_of_the_visit(lab: Lab, scanned: Path) -> None:
    live = page(starttls("explain", HIDDEN, "--policy", "encrypt", *lab.flags))
    offline = page(starttls("explain", HIDDEN, "--policy", "encrypt", "--from", scanned))
    assert flat(TIMES.sub("", live)) == flat(TIMES.sub("", offline))


def test_a_domain_with_the_name_of_a_phrase_is_a_domain(lab: Lab) -> None:
    text = page(starttls("explain", "certificate-expired.lab.test", *lab.flags))
    assert text.startswith("certificate-expired.lab.test, looked at ")


def test_packed_rows_are_read_and_the_last_one_counts(scanned: Path, tmp_path: Path) -> None:
    rows = scanned.read_bytes()
    hidden = next(line for line in rows.splitlines() if rows_of(line + b"\n")[0]["domain"] == HIDDEN)
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(rows + hidden.replace(b"scanner.lab.test", b"another.lab.test") + b'\n{"cut'))
    text = page(starttls("explain", HIDDEN, "--from", packed))
    assert "C: EHLO another.lab.test" in text
    assert "(not at hand)" in text
    beside = f"{scanned}.certificates.jsonl"
    assert "issued by:" in page(starttls("explain", HIDDEN, "--from", packed, "--certificates", beside))


def test_a_letter_is_ready_to_send(scanned: Path) -> None:
    text = page(starttls("explain", HIDDEN, "--letter", "--from", scanned))
    assert text.startswith(f"To: postmaster@{HIDDEN}\nSubject: ")
    assert "127.9.0.1 (EHLO scanner.lab.test)" in text
    assert "127.9.0.2 (EHLO scanner.lab.test)" in text
    assert f"Which sender group does 127.9.0.1 fall into at mx-{HIDDEN}" in flat(text)
    assert max(map(len, text.splitlines())) <= 72


def test_no_letter_is_written_without_a_reason(scanned: Path) -> None:
    ending = starttls("explain", "plain-good.lab.test", "--letter", "--from", scanned)
    assert (ending.code, ending.out) == (Exit.OK, b"")
    assert ending.err == "starttls: no letter: mail to them goes out encrypted from our address\n"


@pytest.mark.parametrize(("variables", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_terminals(scanned: Path, variables: dict[str, str], *, is_coloured: bool) -> None:
    ours, theirs = pty.openpty()
    command = [*COMMAND, "explain", HIDDEN, "--from", str(scanned)]
    there = environment({"TERM": "xterm", **variables})
    there = there if variables else {name: value for name, value in there.items() if name != "NO_COLOR"}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, cwd=ROOT, env=there) as process:
        os.close(theirs)
        seen = os.read(ours, 1024)
        with contextlib.suppress(OSError):  # the terminal hangs up
            while os.read(ours, 4096):
                pass
        os.close(ours)
        process.wait(PATIENCE_S)
    assert HIDDEN.encode() in seen
    assert (b"\x1b[" in seen) is is_coloured


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "a domain is wanted"),
        (("192.0.2.1",), "no domain"),
        (("good morning",), "neither a domain nor a phrase"),
        (("example.test", "--policy", "strict"), "--policy: not one of may, encrypt"),
        (("example.test", "--from", "/nowhere/rows.jsonl"), "cannot read"),
        (("example.test", "-o", "x"), "unknown"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_one_line(words: tuple[str, ...], why: str) -> None:
    assert why in starttls("explain", *words).refused(Exit.USAGE)


def test_a_domain_without_a_row_is_refused(scanned: Path) -> None:
    assert "no row of other.test" in starttls("explain", "other.test", "--from", scanned).refused(Exit.USAGE)


def test_without_an_identity_nothing_is_looked_at(lab: Lab) -> None:
    words = [word for word in lab.sourceless if word != "--i-am-testing"]
    assert "it has no EHLO name" in starttls("explain", HIDDEN, *words).refused(Exit.ENVIRONMENT)


def test_a_dead_resolver_is_told_soon() -> None:
    words = ("--resolver", "127.0.0.1:1", "--resolver-patience", "1s", "--dns-deadline", "1s", "--i-am-testing")
    assert "resolver_down" in starttls("explain", HIDDEN, *words).refused(Exit.ENVIRONMENT)


def test_a_silent_peer_is_no_trouble_of_ours(lab: Lab) -> None:
    assert "the connection was refused" in page(starttls("explain", SILENT, *lab.flags))


@pytest.fixture
def shown() -> str:
    """What the manual shows."""
    text = (ROOT / "docs" / "explain.md").read_text()
    block: str
    [block] = re.findall(r"```\n(source-hidden\.lab\.test, looked at .*?)```", text, re.DOTALL)
    return block


def test_the_page_of_the_manual_is_a_real_one(shown: str) -> None:
    """But for the time, the address and the port, which the lab draws. To renew it, paste what the command prints."""
    drawn = re.compile(r"\[?127\.2\d\.\d+\.\d+\]?(:\d+)?")
    real = page(starttls("explain", HIDDEN, "--lab", "--policy", "encrypt"))
    assert flat(drawn.sub("", TIMES.sub("", real))) == flat(drawn.sub("", TIMES.sub("", shown)))
