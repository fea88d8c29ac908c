"""An operator who asked to be left alone is."""

import pytest

from scanner.model.route import Endpoint
from scanner.protocols.exclusions import NONE, read

RULES = read("# asked on 2026-11-01\n192.0.2.0/24\n\nexample.org  # all of it\n2001:db8::/32\n")


@pytest.mark.parametrize(
    ("name", "rule"),
    [("example.org", "example.org"), ("MX.Example.ORG.", "example.org"), ("notexample.org", None), ("org", None)],
)
def test_a_suffix_covers_the_domain_and_what_is_below_it(name: str, rule: str | None) -> None:
    """Whole labels only."""
    assert RULES.rule_for_name(name) == rule


@pytest.mark.parametrize(
    ("address", "rule"), [("192.0.2.7", "192.0.2.0/24"), ("192.0.3.7", None), ("2001:db8::1", "2001:db8::/32")]
)
def test_a_network_covers_its_addresses(address: str, rule: str | None) -> None:
    """Whatever the MX is called."""
    assert RULES.rule_for_endpoint(Endpoint("mx.test", address, 25, "mx.test")) == rule


def test_nonsense_is_refused_with_its_line() -> None:
    """A rule that is skipped would be a promise broken."""
    with pytest.raises(ValueError, match="line 2"):
        read("# fine\n192.0.2.0/99\n")


def test_no_exclusions_exclude_nothing() -> None:
    """The default."""
    assert NONE.rule_for_name("example.org") is None
