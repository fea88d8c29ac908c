import pytest

from scanner.protocols.provider import provider


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("aspmx.l.google.com", "google.com"),
        ("MX.Example.co.uk.", "example.co.uk"),
        ("example.test", "example.test"),
        ("co.uk", None),
        ("", None),
        ("a..b", None),
    ],
)
def test_a_host_belongs_to_the_registered_domain_above_it(host: str, name: str | None) -> None:
    assert provider(host) == name
