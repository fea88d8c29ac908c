import resource
from dataclasses import dataclass, field

import pytest

from scanner.cli.exits import Exit, Refused
from scanner.cli.preflight import check_identity, identity_problem, raised, room_for_sessions, that_fit
from scanner.model.route import Answer
from scanner.model.session import Source

NAME = "scan.example.org"


@dataclass(frozen=True)
class Names:
    """DNS as a table."""

    forward: dict[str, tuple[str, ...]] = field(default_factory=dict)
    reverse: dict[str, tuple[str, ...]] = field(default_factory=dict)

    async def ipv4(self, host: str) -> Answer[str]:
        return Answer(host, tuple(each for each in self.forward.get(host, ()) if ":" not in each))

    async def ipv6(self, host: str) -> Answer[str]:
        return Answer(host, tuple(each for each in self.forward.get(host, ()) if ":" in each))

    async def ptr(self, address: str) -> Answer[str]:
        return Answer(address, self.reverse.get(address, ()))


GOOD = Names({NAME: ("193.0.0.9", "2a00:1450::9")}, {"193.0.0.9": ("Scan.Example.org",), "2a00:1450::9": (f"{NAME}.",)})


@pytest.mark.parametrize(
    ("source", "names", "problem"),
    [
        (Source("a", "193.0.0.9", NAME), GOOD, ""),
        (Source("a", "2a00:1450:0::9", NAME), GOOD, "no reverse name"),
        (Source("a", "", NAME), GOOD, ""),
        (Source("a", "192.168.1.5", NAME), GOOD, ""),  # behind NAT: the name still leads to its own address and back
        (Source("a", "193.0.0.9", ""), GOOD, "no EHLO name"),
        (Source("a", "193.0.0.9", NAME), Names(), "has no address in DNS"),
        (Source("a", "193.0.0.8", NAME), GOOD, "does not resolve to 193.0.0.8"),
        (Source("a", "193.0.0.9", NAME), Names(GOOD.forward, {"193.0.0.9": ("x.example",)}), "no reverse name"),
        (Source("a", "193.0.0.9", NAME), Names(GOOD.forward), "no reverse name"),
    ],
)
async def test_an_identity_leads_from_name_to_address_and_back(source: Source, names: Names, problem: str) -> None:
    found = await identity_problem(source, names)
    assert (problem in found) if problem else found == ""


async def test_one_bad_source_refuses_the_run_and_says_the_way_out() -> None:
    with pytest.raises(Refused, match="--i-am-testing") as refused:
        await check_identity([Source("a", "193.0.0.9", NAME), Source("b")], GOOD)
    assert refused.value.code is Exit.ENVIRONMENT
    assert str(refused.value).startswith("source b:")


@pytest.mark.parametrize(
    ("soft", "hard", "chosen"),
    [(1024, 4096, 2464), (1024, 2000, 2000), (4096, 4096, 4096), (1024, -1, 2464), (-1, -1, -1)],
)
def test_the_limit_of_open_files_is_raised_to_what_is_needed(soft: int, hard: int, chosen: int) -> None:
    assert raised(2000, soft, hard) == chosen


def test_sessions_fit_into_the_limit_of_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert room_for_sessions(10) == 10
    assert room_for_sessions(2**31) >= 1
    assert (that_fit(5000, 184), that_fit(5000, 10), that_fit(5000, resource.RLIM_INFINITY)) == (100, 1, 5000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
