"""What an option is, and how the words for it are read.

Touches: nothing. Source: docs/record.md (options).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "STARTTLS_"
TRUE, FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})


def switch(text: str) -> bool:
    """Read a truth value."""
    word = text.lower()
    if word not in TRUE | FALSE:
        raise ValueError(f"neither true nor false: {text}")
    return word in TRUE


def one_of(*words: str) -> Callable[[str], str]:
    """Make a reader of one of these words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"not one of {', '.join(words)}: {text}")
        return text

    return read


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `name` is the flag without its dashes; `default` None means that settings.py decides.

    `read_table` reads what the file may say in a table instead of a text, each part of it as text.
    """

    name: str
    read: Callable[[str], Any]
    help: str
    metavar: str = ""
    default: Any = None
    repeatable: bool = False
    short: str = ""
    read_table: Callable[[Mapping[str, str]], Any] | None = None

    @property
    def key(self) -> str:
        """The word in the file."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.key.upper()

    def value(self, given: object) -> Any:
        """Read one value: text, or what TOML made of it. Raises ValueError."""
        if isinstance(given, Mapping) and self.read_table is not None:
            return self.read_table({key: plain(part) for key, part in given.items()})
        return self.read(plain(given))


def plain(value: object) -> str:
    """Write a TOML scalar as it would stand on the command line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise ValueError(f"neither text nor a whole number: {value!r}")
