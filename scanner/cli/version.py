"""`starttls version`: everything whose version decides a verdict.

Touches: stdout. Source: docs/guarantees.md (floors).
"""

import argparse
import platform
import ssl
from collections.abc import Mapping, Sequence
from importlib import metadata

from scanner import __version__
from scanner.cli.arguments import parsed
from scanner.cli.exits import Exit
from scanner.cli.streams import show

DECIDING = (
    "aiosmtplib",
    "aiodns",
    "pycares",
    "dnspython",
    "cryptography",
    "pyopenssl",
    "certifi",
    "idna",
    "anyio",
    "uvloop",
)


def run(words: Sequence[str], _environment: Mapping[str, str]) -> Exit:
    """Print one line, or with --verbose a line for each."""
    parser = argparse.ArgumentParser("starttls version", exit_on_error=False, allow_abbrev=False)
    parser.add_argument("-v", "--verbose", action="store_true", help="Python, OpenSSL, c-ares and the libraries too")
    shown = {"starttls-scanner": __version__}
    if parsed(parser, words)["verbose"]:
        shown |= deciding()
    for name, version in shown.items():
        show(f"{name} {version}\n")
    return Exit.OK


def deciding() -> dict[str, str]:
    """Name every version."""
    versions = {
        "python": platform.python_version(),
        "openssl": openssl(),
        "openssl-of-python": ssl.OPENSSL_VERSION,
        "c-ares": c_ares(),
    }
    return versions | {name: metadata.version(name) for name in DECIDING}


def openssl() -> str:
    """Ask pyOpenSSL for the version that holds sessions and verifies chains; Python's own only fetches policies."""
    from OpenSSL import SSL  # noqa: PLC0415 - help must not wait for it

    return SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode("ascii")


def c_ares() -> str:
    """Ask pycares which c-ares it was built with."""
    import pycares  # noqa: PLC0415 - help must not wait for it

    return str(pycares.ARES_VERSION)
