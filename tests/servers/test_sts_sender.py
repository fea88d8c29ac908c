"""The `mta_sts` model against a Postfix that is told of the policies, as its plugins tell it: outcome and log words."""

import orjson
import pytest

from scanner.model.assessment import Outcome
from tests.servers import scanning, sts
from tests.servers.lab import Lab
from tests.servers.sender import Fate, Sender
from tests.servers.world import MailWorld

Cell = tuple[str, str]
"""Domain, source."""
EXPLAINED = {
    "uncovered.sts.test": "this Postfix calls any MX host and holds its certificate against the policy; it waits too,"
    " in other words",
}
"""Where nothing but the outcome is compared, and why."""


@pytest.fixture(scope="module")
def compared(lab: Lab, mail_world: MailWorld, postfix_sender: Sender) -> dict[Cell, tuple[dict[str, str], Fate]]:
    """What was predicted and what came, for every domain and source."""
    home = lab.folder("sts-scan")
    listed, out = home / "list.csv", home / "rows.jsonl"
    listed.write_text("".join(f"{each.domain}\n" for each in sts.DOMAINS))
    with sts.policies(lab):
        words = ("scan", str(listed), "-o", str(out), "--ehlo-name", mail_world.ehlo_name, *scanning.OPTIONS)
        done = scanning.starttls(mail_world, *words)
    assert done.returncode == 0, done.stderr
    rows = {row["domain"]: row for row in map(orjson.loads, out.read_bytes().splitlines())}
    assert {row["policies"]["mta_sts"]["policy"] is not None for row in rows.values()} == {True}
    told = {
        (domain, it["source"]): it
        for domain, row in rows.items()
        for it in row["predictions"]
        if it["model"] == "mta_sts"
    }
    fates = postfix_sender.send([each.domain for each in sts.DOMAINS], levels=("sts",))
    return {(domain, source): (told[domain, source], fate) for (domain, _, source), fate in fates.items()}


def test_mail_under_a_policy_goes_as_predicted(compared: dict[Cell, tuple[dict[str, str], Fate]]) -> None:
    """Sent authenticated, sent in clear, put off or bounced, in the words of the log."""
    open_ones = [cell for cell, (told, _) in compared.items() if told["outcome"] == Outcome.UNKNOWN]
    wrong = [
        f"{domain} from {source}: predicted {told}, and it was {fate}"
        for (domain, source), (told, fate) in compared.items()
        if told["outcome"] != Outcome.UNKNOWN and not agrees(domain, told, fate)
    ]
    asked = len(compared) - len(open_ones)
    last = f"MTA-STS: agreed {asked - len(wrong)} of {asked}; {len(open_ones)} not predicted"
    print(last)  # noqa: T201
    assert not wrong, "\n".join([*wrong, last])
    assert open_ones == []


def agrees(domain: str, told: dict[str, str], fate: Fate) -> bool:
    """Whether it came as predicted; of what was sent the log quotes the server, and that is not predicted."""
    if fate.outcome != told["outcome"] or domain in EXPLAINED:
        return fate.outcome == told["outcome"]
    return fate.status == "sent" or (fate.dsn == told["dsn"] and fate.reason.startswith(told["words"] or ""))


def test_every_kind_of_fate_was_met(compared: dict[Cell, tuple[dict[str, str], Fate]]) -> None:
    """An oracle that always waits would agree with little."""
    met = {fate.outcome for _, fate in compared.values()}
    assert met == set(Outcome) - {Outcome.UNKNOWN}
