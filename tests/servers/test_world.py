"""The whole table of domains, followed to their verdicts from every source: real names, real servers, our judgement."""

from dataclasses import replace

import anyio

from scanner.assess.judgement import Judge
from scanner.assess.trust import trust
from scanner.model.assessment import Verdict
from scanner.model.policy import PolicyFetch
from scanner.model.record import Record
from scanner.model.session import Source
from scanner.model.target import Target
from scanner.net.clock import Clock
from scanner.net.resolver import AiodnsResolver
from scanner.net.smtp import SmtpProber
from scanner.net.validating import ValidatingResolver
from scanner.protocols.exclusions import Exclusions
from scanner.settings import Limits, Settings
from scanner.survey import Tools, survey
from tests.servers.lab import ALLOWED, DEADLINES, SEEN_FROM
from tests.servers.world import MailWorld

DNS_S = 4.0
DEADLINES_HERE = replace(DEADLINES, connect_s=5, dns_s=DNS_S)


class NoFetcher:
    """No domain of the table announces a policy, so nobody may ask for one."""

    async def fetch(self, domain: str) -> PolicyFetch:
        raise AssertionError(domain)


async def scan(world: MailWorld) -> dict[tuple[str, str], Record]:
    """One record per domain and source address. Sources work side by side, each through the table in order."""
    records: dict[tuple[str, str], Record] = {}
    judge = Judge(trust("lab", world.anchor.read_bytes()))
    prober = SmtpProber(DEADLINES_HERE, Limits(), ALLOWED, Clock())
    async with AiodnsResolver((world.resolver,), DNS_S) as plain:
        validating = ValidatingResolver(world.resolver, DNS_S)
        tools = Tools(plain, validating, prober, NoFetcher(), judge, Exclusions(), Clock().now)

        async def follow(address: str) -> None:
            settings = Settings((Source("mail", address, world.ehlo_name),), allow_networks=ALLOWED)
            for n, domain in enumerate(world.domains, 1):
                records[domain, address] = await survey(Target(n, domain), tools, settings, "servers")

        async with anyio.create_task_group() as group:
            for address in world.sources:
                group.start_soon(follow, address)
    return records


async def test_every_domain_gets_the_verdict_of_the_table_from_every_source(mail_world: MailWorld) -> None:
    """A difference is shown with what was said; then the authenticated ones, which one source is enough for."""
    records = await scan(mail_world)
    wrong = [
        (domain, address, record.assessment.status, record.assessment.starttls, mail_world.expected(domain, address))
        for (domain, address), record in records.items()
        if not mail_world.expected(domain, address).is_met_by(record.assessment)
    ]
    seen = {domain: record.assessment for (domain, address), record in records.items() if address == SEEN_FROM}
    dane = {domain for domain, assessment in seen.items() if assessment.dane is Verdict.PASS}
    assert wrong == []
    assert len(records) == len(mail_world.domains) * len(mail_world.sources)
    assert dane == {f"{name}.lab.test" for name in ("hides", "expired", "exim", "alias", "tlsa-alias")}
    assert seen["hides.lab.test"].webpki is Verdict.PASS
    assert seen["expired.lab.test"].webpki is Verdict.FAIL
    assert seen["misnamed.lab.test"].webpki is Verdict.FAIL
    assert seen["misnamed.lab.test"].dane is Verdict.FAIL
