"""Every option once: flag, `STARTTLS_*` variable and key of the TOML file are the same word.

Flag goes before environment, environment before file, file before default; an unknown key or variable is an error,
because a typo in a limit must not mean "no limit". Nothing is read at import.

Touches: files (the configuration file), environment (given as a mapping). Source: docs/record.md (options).
"""

import argparse
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from scanner import alarms
from scanner.assess.senders.delivery import ALL_MODELS
from scanner.cli import units
from scanner.cli.exits import Exit, Refused
from scanner.cli.option import PREFIX, Option, one_of, switch
from scanner.protocols.deep import SESSIONS_MOST
from scanner.settings import PROFILES, Deadlines, SourceUse
from scanner.targets.policies import partners


def _deadline(name: str) -> Option:
    word = name.removesuffix("_s").replace("_", "-")
    return Option(f"{word}-deadline", units.duration_s, f"longest time for this step ({word})", "TIME")


SCAN: tuple[Option, ...] = (
    Option("output", str, "rows to FILE, resumable; without it to stdout", "FILE", "", short="o"),
    Option("certificates", str, "with rows on stdout: certificates to FILE", "FILE", ""),
    Option("column", str, "the column that holds the domain, by name or number from 1", "NAME|N", ""),
    Option("policy-column", str, "the column that holds the TLS policy; `tls_policy` otherwise", "NAME|N", ""),
    Option("delimiter", str, "what separates columns; found out on the first line otherwise", "C", ""),
    Option(
        "source",
        units.source,
        "one of our addresses, as ADDR=NAME@EHLO,role=mail|witness,rate=N/s,open=N; only ADDR is needed (repeatable)",
        "ADDR",
        (),
        repeatable=True,
        read_table=units.source_table,
    ),
    Option(
        "sources",
        one_of(*(use.value for use in SourceUse)),
        "spread: share the load; each: probe from every source",
        "spread|each",
        SourceUse.SPREAD.value,
    ),
    Option("no-follow-up", switch, "with --sources each: ask nobody again where sources disagree", default=False),
    Option(
        "canary",
        units.domain,
        "a domain or MX host known to offer STARTTLS, visited every hour from every source (repeatable)",
        "NAME",
        (),
        repeatable=True,
    ),
    Option("ehlo-name", units.ehlo_name, "how we introduce ourselves; its DNS must point back to us", "FQDN", ""),
    Option(
        "resolver",
        units.resolver,
        "DNS server, the system's otherwise (repeatable)",
        "ADDR[:PORT]",
        (),
        repeatable=True,
    ),
    Option(
        "resolver-patience",
        units.duration_s,
        "how long rows wait for a dead resolver before the run ends",
        "TIME",
        600.0,
    ),
    Option(
        "network-patience",
        units.duration_s,
        "how long rows wait for a source address or a route of ours that is gone before the run ends",
        "TIME",
        600.0,
    ),
    Option("port", units.port, "SMTP port", "N", 25),
    Option("https-port", units.port, "port of MTA-STS policy hosts (labs)", "N", 443),
    Option("profile", one_of(*PROFILES), "a set of pace and deadlines", "|".join(PROFILES), "standard"),
    Option("rate", units.rate_per_s, "new connections per source address", "N/s"),
    Option("run-rate", units.rate_per_s, "new connections of the whole run", "N/s"),
    Option("per-address", units.count, "sessions at a time with one destination address", "N"),
    Option("open", units.count, "sessions open at a time", "N"),
    Option("processes", units.processes, "from 2: sessions in so many worker processes; auto: one a core", "N|auto", 1),
    *(_deadline(each.name) for each in fields(Deadlines)),
    Option(
        "allow-net",
        units.network,
        "connect to this special-purpose network too (labs; repeatable)",
        "CIDR",
        (),
        repeatable=True,
    ),
    Option("exclude", str, "who asked to be left alone: one CIDR or domain suffix per line", "FILE", ""),
    Option("ca-file", str, "trust anchors, instead of the Mozilla list of certifi", "PEM", ""),
    Option("no-share", switch, "a session of its own for every domain (measurements)", default=False),
    Option(
        "deep",
        switch,
        f"ask for TLS versions and weak suites too: up to {SESSIONS_MOST} more sessions an address",
        default=False,
    ),
    Option("models", units.models, "sender models to predict, separated by commas; all otherwise", "NAMES", ALL_MODELS),
    Option("seed", units.seed, "for the order among equal MX hosts", "N"),
    Option("shard", units.shard, "only rows K, K+N, K+2N ...", "K/N", (1, 1)),
    Option("resume", one_of("auto", "never", "require"), "what to do with an unfinished FILE", "HOW", "auto"),
    Option("overwrite", switch, "replace a finished FILE", default=False),
    Option("max-bad-input", units.share, "share of bad input rows beyond which the exit code is 3", "P%", 0.5),
    Option(
        "fail-on",
        alarms.read,
        "exit 8 if a row matches: would_wait, starttls=absent,fail, finding=TYPE ... (repeatable)",
        "RULE",
        (),
        repeatable=True,
    ),
    Option("status-interval", units.duration_s, "between status lines where stderr is no terminal", "TIME", 60.0),
    Option("metrics-file", str, "figures of the run for Prometheus (textfile collector), kept current", "FILE", ""),
    Option("quiet", switch, "no progress and no summary", default=False, short="q"),
    Option("log-format", one_of("text", "json"), "how the last line on stderr is written", "text|json", "text"),
    Option("i-am-testing", switch, "scan without an identity that others can check", default=False),
    Option("contact", str, "address or page that policy hosts see in our User-Agent", "TEXT", ""),
    Option("lab", switch, "scan the embedded loopback lab", default=False),
    Option("config", str, "read options from this TOML file", "FILE", "", short="c"),
)
OF_DOCTOR: tuple[Option, ...] = (
    Option("dnsbl", units.ehlo_name, "ask this list about every source (repeatable)", "ZONE", (), repeatable=True),
)
"""What `doctor` takes beside the options of a scan; no list is asked unless it is named. The others pass these over,
because one file serves all commands.
"""
TABLES: Mapping[str, Callable[[Mapping[str, object]], Any]] = {"partners": partners}
"""What only the file can say, in a table of its own."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Every option with its value and where that came from: `flag`, `environment`, `file` or `default`."""

    values: Mapping[str, Any]
    origins: Mapping[str, str]

    def __getitem__(self, name: str) -> Any:
        """The value of an option, by the name of its flag."""
        return self.values[name]


def add_to(parser: argparse.ArgumentParser, options: Iterable[Option]) -> None:
    """Give a parser these flags. Their text is read later, together with that of the other origins."""
    for option in options:
        names = [f"-{option.short}"] * bool(option.short) + [f"--{option.name}"]
        if option.read is switch:
            parser.add_argument(*names, dest=option.name, action="store_const", const="true", help=option.help)
        else:
            action = "append" if option.repeatable else "store"
            parser.add_argument(*names, dest=option.name, action=action, metavar=option.metavar, help=option.help)


def chosen_from(flags: Mapping[str, Any], environment: Mapping[str, str], options: Sequence[Option]) -> Chosen:
    """Take flags, variables, and the file that either of them names. Raises Refused."""
    path = flags.get("config") or environment.get(f"{PREFIX}CONFIG")
    return choose(flags, environment, options, read_file(path) if path else {})


def choose(
    flags: Mapping[str, Any], environment: Mapping[str, str], options: Sequence[Option], file: Mapping[str, Any]
) -> Chosen:
    """Take each value from the first origin that has it. Raises Refused."""
    refuse_unknown(environment, file, options)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for option in options:
        found = (
            ("flag", flags.get(option.name)),
            ("environment", environment.get(option.variable)),
            ("file", file.get(option.key)),
        )
        origin, given = next(((origin, given) for origin, given in found if given is not None), ("default", None))
        values[option.name] = option.default if given is None else valued(option, origin, given)
        origins[option.name] = origin
    for name, read in TABLES.items():
        values[name] = tabled(name, read, file.get(name, {}))
        origins[name] = "file" if name in file else "default"
    return Chosen(values, origins)


def tabled(name: str, read: Callable[[Mapping[str, object]], Any], given: object) -> Any:
    """Read a table of the file. Raises Refused."""
    if not isinstance(given, Mapping):
        raise Refused(Exit.USAGE, f"{name} (file): a table is wanted, [{name}]")
    try:
        return read(given)
    except ValueError as error:
        raise Refused(Exit.USAGE, f"[{name}] (file): {error}") from None


def valued(option: Option, origin: str, given: Any) -> Any:
    """Read what was given: text, or what TOML made of it."""
    texts = given if isinstance(given, list) else [given]
    if origin == "environment" and option.repeatable:
        texts = given.split()
    try:
        read = tuple(map(option.value, texts))
    except ValueError as error:
        raise Refused(Exit.USAGE, f"--{option.name} ({origin}): {error}") from None
    if option.repeatable:
        return read
    if len(read) != 1:
        raise Refused(Exit.USAGE, f"--{option.name} ({origin}): one value is wanted")
    return read[0]


def refuse_unknown(environment: Mapping[str, str], file: Mapping[str, Any], options: Sequence[Option]) -> None:
    """Refuse words that nobody knows."""
    known = (*options, *OF_DOCTOR)
    variables = {option.variable for option in known}
    keys = {option.key for option in known} - {"config"} | TABLES.keys()
    strange = [name for name in environment if name.startswith(PREFIX) and name not in variables]
    strange += [f"{key} (in the file)" for key in file if key not in keys]
    if strange:
        raise Refused(Exit.USAGE, f"unknown option: {', '.join(sorted(strange))}")


def read_file(path: str) -> dict[str, Any]:
    """Read the TOML file. Raises Refused."""
    try:
        return tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Refused(Exit.USAGE, f"--config {path}: {reason}") from None
