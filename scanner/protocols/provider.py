"""Who runs a mail host, as far as its name tells: the registered domain above it.

Touches: files (the list that comes with publicsuffixlist, once). Source: publicsuffix.org, the algorithm.
"""

from collections.abc import Callable
from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList

from scanner.settings import Pace


@lru_cache(4096)  # asked for the pace and for the row, and a list has few providers
def provider(host: str) -> str | None:
    """Name the registered domain, None for a public suffix itself or no name at all: `mx.example.co.uk` is
    `example.co.uk`.
    """
    return _suffixes().privatesuffix(host.lower().rstrip("."))


def grouping(pace: Pace) -> Callable[[str], str]:
    """Choose whose caps an MX host shares: its provider's, or its own where it has none, and in a lab."""
    return str if pace.provider_is_host else lambda host: provider(host) or host


@cache
def _suffixes() -> PublicSuffixList:
    """The list, read at first use: reading takes 50 ms, which a start should not wait for."""
    return PublicSuffixList()
