"""One scenario of the lab: a domain, what the world serves for it, and the verdict that is right.

Touches: nothing. Source: the clause beside every scenario; the numbers are rows of the catalogue of behaviours.
"""

from dataclasses import dataclass, field

from scanner.lab.script import Acts, Host

ZONE = "lab.test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The verdict, in the words of a record. None: the scenario says nothing about it.

    `fault` is (stage, kind) of the first faulty route or session; `oddities` and `findings` are there among others;
    `delivery_may` is what becomes of a message that is sent with opportunistic TLS; `cause` is the likeliest one.
    """

    status: str | None
    starttls: str | None
    webpki: str | None = None
    dane: str | None = None
    mta_sts: str | None = None
    tls_rpt: str | None = None
    fault: tuple[str, str] | None = None
    oddities: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    differs_by_source: bool | None = None
    delivery_may: str | None = None
    cause: str | None = None


def passes(**more: object) -> Expected:
    """STARTTLS works."""
    return Expected(**{"status": "ok", "starttls": "pass", "delivery_may": "encrypted"} | more)  # type: ignore[arg-type]


def absent(**more: object) -> Expected:
    """STARTTLS is not there; an opportunistic sender goes on in clear (RFC 3207 s4)."""
    return Expected(**{"status": "ok", "starttls": "absent", "delivery_may": "clear"} | more)  # type: ignore[arg-type]


def fails(stage: str, kind: str, **more: object) -> Expected:
    """STARTTLS is there and broken."""
    base = {"status": "ok", "starttls": "fail", "fault": (stage, kind), "delivery_may": "defer"}
    return Expected(**base | more)  # type: ignore[arg-type]


def inconclusive(stage: str, kind: str, **more: object) -> Expected:
    """Nothing can be said, for a reason that may pass."""
    base = {"status": "inconclusive", "starttls": "unknown", "fault": (stage, kind), "delivery_may": "defer"}
    return Expected(**base | more)  # type: ignore[arg-type]


def remote_fault(stage: str, kind: str, **more: object) -> Expected:
    """Nothing can be said, for a reason that will stay."""
    base = {"status": "remote_fault", "starttls": "unknown", "fault": (stage, kind), "delivery_may": "defer"}
    return Expected(**base | more)  # type: ignore[arg-type]


def no_mail(**more: object) -> Expected:
    """The domain receives no mail."""
    base = {"status": "ok", "starttls": "not_applicable", "delivery_may": "bounce"}
    return Expected(**base | more)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class PolicyHost:
    """What `mta-sts.<domain>` serves over HTTPS. `presence` as for an SMTP host, or `nowhere`: no address at all."""

    acts: Acts
    identity: str = "good"
    presence: str = "listens"


Record = tuple[str, str, str]
"""Owner (relative to lab.test; final dot: absolute), type, text. A TLSA text may name a certificate of the lab."""


@dataclass(frozen=True, slots=True)
class Dns:
    """What is special about names: `secure` and `bogus` owners (and what lies below them), and faults by (owner, type).

    Owners are relative to lab.test; the type `*` stands for all.
    """

    secure: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    bogus: tuple[str, ...] = ()
    faults: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`name` is the first label of the domain. The address records of `hosts` are made by the lab."""

    name: str
    story: str
    clause: str
    expected: Expected
    catalogue: tuple[int, ...] = ()
    hosts: tuple[Host, ...] = ()
    records: tuple[Record, ...] = ()
    dns: Dns = field(default_factory=Dns)
    policy: PolicyHost | None = None

    @property
    def domain(self) -> str:
        """The name on the list."""
        return f"{self.name}.{ZONE}"


def mx(name: str) -> str:
    """Name the usual MX host of a scenario, relative to lab.test."""
    return f"mx-{name}"


def usual_mx(name: str) -> Record:
    """Name it in DNS."""
    return (name, "MX", f"10 {mx(name)}")


def smtp(name: str, story: str, clause: str, expected: Expected, **more: object) -> Scenario:
    """One MX host, whose `play` is the story; `by_source`, `in_turn` and `presence` as for a Host."""
    catalogue = more.pop("catalogue", ())
    host = Host(f"{mx(name)}.{ZONE}", **more)  # type: ignore[arg-type]
    return Scenario(
        name=name,
        story=story,
        clause=clause,
        expected=expected,
        catalogue=catalogue,  # type: ignore[arg-type]
        hosts=(host,),
        records=(usual_mx(name),),
    )


def dns(name: str, story: str, clause: str, expected: Expected, **more: object) -> Scenario:
    """One story about records; one well-behaved host unless told otherwise."""
    base = {"hosts": (Host(f"{mx(name)}.{ZONE}"),), "records": (usual_mx(name),)}
    return Scenario(name=name, story=story, clause=clause, expected=expected, **base | more)  # type: ignore[arg-type]
