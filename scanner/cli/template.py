"""The configuration file that `config init` writes: every option of a scan with its meaning and its default.

Options that were given as flags stand as they were given, so that a command line that works becomes a file; all others
are comments.

Touches: nothing. Source: docs/operations.md (configuration file).
"""

import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from scanner.cli import configuration, units
from scanner.cli.option import Option, switch
from scanner.cli.options import OF_DOCTOR, SCAN
from scanner.settings import PROFILES

HEAD = """\
# Options of `starttls scan`; doctor, plan and explain read this file too: --config FILE, or STARTTLS_CONFIG.
# A flag goes before a STARTTLS_* variable, and that before this file. Whoever is not known here is an error.
# Numbers have their unit: "30s", "2min", "50/s", "5%". Lines that begin with #NAME show the default, or an example.
"""
TABLES = """\
# Several sources, with all that can be said of each; instead of the line `source` above.
#[[source]]
#address = "192.0.2.10"
#name = "mail"                    # as in the rows; the address otherwise
#ehlo_name = "mx.example.org"     # its DNS must point back to the address
#role = "mail"                    # mail is sent from here; a witness only looks
#rate = "10/s"
#open = 100

# What mail to each partner demands: must-tls, verify, dane, none. Alarms: fail_on = ["would_wait"].
#[partners]
#"partner.example" = "must-tls"
"""
NOT_IN_A_FILE = frozenset({"config", "lab"})
WIDTH = 118
DEFAULTS: Mapping[Callable[[str], Any], Callable[[Any], str]] = {
    units.duration_s: lambda value: f"{value:g}s",
    units.rate_per_s: lambda value: f"{value:g}/s",
    units.share: lambda value: f"{value * 100:g}%",
    units.shard: lambda value: f"{value[0]}/{value[1]}",
    units.models: ",".join,
}
"""How a default is written, by what reads it."""
EXAMPLES = {"seed": "0", "ehlo-name": "scan.example.org"}
"""Where there is no default: chance decides, or the scan is refused."""


def template(flags: Mapping[str, Any]) -> str:
    """Write the file. `flags` are as given: texts, and lists of them."""
    profile = flags.get("profile") or "standard"
    blocks = (block(option, flags.get(option.name), profile) for option in offered())
    return "\n".join([HEAD, *blocks, TABLES])


def offered() -> Iterator[Option]:
    """Give what a file may say."""
    return (option for option in (*SCAN, *OF_DOCTOR) if option.name not in NOT_IN_A_FILE)


def block(option: Option, given: str | list[str] | None, profile: str) -> str:
    """Write one option, with its help above."""
    about = textwrap.wrap(f"{option.help}{values_of(option)}", WIDTH, initial_indent="# ", subsequent_indent="# ")
    line = f"{option.key} = {toml(option, default(option, profile) if given is None else given)}"
    return "\n".join([*about, line if given is not None else f"#{line}"]) + "\n"


def values_of(option: Option) -> str:
    """Say how a value is written, where the help does not."""
    return f" ({option.metavar})" if option.metavar and option.metavar not in option.help else ""


def toml(option: Option, value: str | list[str]) -> str:
    """Write a value in TOML: its basic strings are those of JSON."""
    if option.read is switch:
        return str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def default(option: Option, profile: str) -> str | list[str]:
    """Write a default as it would be given; that of the profile where profiles decide."""
    value = option.default if option.default is not None else of_the_profile(option.name, profile)
    if option.name in EXAMPLES:
        return EXAMPLES[option.name]
    if option.repeatable:
        return []
    if option.read is switch:
        return str(value).lower()
    return DEFAULTS.get(option.read, str)(value)


def of_the_profile(name: str, profile: str) -> object:
    """Find the figure of a profile; None where it has none."""
    pace, deadlines = PROFILES[profile]
    for field, option in configuration.PACE_OPTIONS.items():
        if option == name:
            return getattr(pace, field)
    return getattr(deadlines, f"{name.removesuffix('-deadline').replace('-', '_')}_s", None)
