"""From the options of a run to its settings, and back to the words that the manifest keeps.

Touches: the routing table, chance. Source: docs/record.md (options, manifest).
"""

import secrets
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from scanner.alarms import Rule
from scanner.cli.exits import Exit, Refused
from scanner.cli.options import Chosen
from scanner.jsonl.caps import FULL
from scanner.model.session import Role, Source
from scanner.net.sockets import any_address
from scanner.settings import PROFILES, Deadlines, Limits, Settings, SourceUse

PACE_OPTIONS = {"source_per_s": "rate", "run_per_s": "run-rate", "address_open": "per-address", "source_open": "open"}
NOT_OF_THE_RESULT = frozenset(
    {
        "output",
        "certificates",
        "resume",
        "overwrite",
        "fail-on",
        "resolver-patience",
        "network-patience",
        "processes",
        "status-interval",
        "metrics-file",
        "quiet",
        "log-format",
        "config",
    }
)
"""Options that change how a run is watched and kept, and never what its rows say: a resumed run may differ in them."""
SEED_BITS = 53
"""RFC 5321 section 5.1: the order among equal hosts MUST be random, so each run draws its own unless told otherwise."""
ANYWHERE = "default"
"""The name of our source where no address was named and the kernel chooses."""


def settings(chosen: Chosen) -> Settings:
    """Put together the settings. Raises Refused where two options contradict each other."""
    pace, deadlines = PROFILES[chosen["profile"]]
    limits = Limits()
    return Settings(
        sources=sources(chosen),
        source_use=SourceUse(chosen["sources"]),
        resolvers=chosen["resolver"],
        port=chosen["port"],
        https_port=chosen["https-port"],
        allow_networks=chosen["allow-net"],
        seed=secrets.randbits(SEED_BITS) if chosen["seed"] is None else chosen["seed"],
        deep=deep(chosen),
        follow_up=not chosen["no-follow-up"],
        canaries=tuple(dict.fromkeys(chosen["canary"])),
        deadlines=replace(
            deadlines, **given(chosen, {each.name: deadline_option(each.name) for each in fields(Deadlines)})
        ),
        limits=replace(limits, **given(chosen, {"open_sessions": "open"})),
        pace=replace(pace, **given(chosen, PACE_OPTIONS)),
    )


def deep(chosen: Chosen) -> bool:
    """Say whether to ask for more. Never once for every domain: it would be asked of one address again and again."""
    if chosen["deep"] and chosen["no-share"]:
        raise Refused(Exit.USAGE, "--deep: not together with --no-share, each address is asked once a run")
    return bool(chosen["deep"])


def given(chosen: Chosen, names: dict[str, str]) -> dict[str, Any]:
    """Keep what somebody asked for."""
    return {field: chosen[option] for field, option in names.items() if chosen[option] is not None}


def deadline_option(field: str) -> str:
    """Name the option of a deadline."""
    return f"{field.removesuffix('_s')}-deadline"


def sources(chosen: Chosen) -> tuple[Source, ...]:
    """Give every source its EHLO name; each address and each name stands for one source only, and one sends mail."""
    asked: tuple[Source, ...] = chosen["source"] or (Source(ANYWHERE, any_address()),)
    if len({each.name for each in asked}) < len(asked) or len({each.address for each in asked}) < len(asked):
        raise Refused(Exit.USAGE, "--source: an address or a name is there twice")
    if all(each.role is not Role.MAIL for each in asked):
        raise Refused(Exit.USAGE, "--source: one source at least has to have the role mail: whose mail is it about?")
    if chosen["sources"] == SourceUse.EACH and len(asked) < 2:
        raise Refused(Exit.USAGE, "--sources each: two sources are needed to compare; name them with --source")
    if (made := len(asked) * len(chosen["models"])) > FULL.predictions:
        words = f"{len(asked)} sources and {len(chosen['models'])} sender models make {made} predictions a row"
        raise Refused(Exit.USAGE, f"--source: {words}, {FULL.predictions} fit: name fewer models with --models")
    return tuple(replace(each, ehlo_name=each.ehlo_name or chosen["ehlo-name"]) for each in asked)


def effective(chosen: Chosen) -> dict[str, str | list[str] | None]:
    """Write every option as text, for the manifest and for comparing two runs."""
    return {name: written(value) for name, value in chosen.values.items()}


def written(value: object) -> str | list[str] | None:
    """Write one value as text."""
    if value is None:
        return None
    if isinstance(value, Source):
        return written_source(value)
    if isinstance(value, tuple):
        return [str(written(each)) for each in value]
    if isinstance(value, Mapping):
        return [f"{domain}={policy}" for domain, policy in sorted(value.items())]
    if isinstance(value, Rule):
        return value.written
    return str(value)


def written_source(source: Source) -> str:
    """Write a source as it would stand on the command line."""
    at = f"@{source.ehlo_name}" if source.ehlo_name else ""
    rate = "" if source.rate_per_s is None else f",rate={source.rate_per_s}/s"
    places = "" if source.open_most is None else f",open={source.open_most}"
    return f"{source.address}={source.name}{at},role={source.role}{rate}{places}"


def deciding(chosen: Chosen) -> dict[str, object]:
    """Keep what decides the rows: a run is resumed only with the same."""
    return {name: text for name, text in effective(chosen).items() if name not in NOT_OF_THE_RESULT}
