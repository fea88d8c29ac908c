"""The sender that the RFCs describe: opportunistic TLS, DANE, else MTA-STS, each to the letter.

Certain where the text decides; where it leaves the choice to the sender, it is told that it does.

Touches: nothing. Source: RFC 5321 sections 4.2.1, 4.5.4.1 and 5.1, RFC 3207 section 4, RFC 7505 section 4, RFC 7672
sections 2.1 and 2.2, RFC 8461 sections 4 and 5, RFC 8996 section 4, RFC 9325 section 5.2.
"""

from dataclasses import replace
from functools import partial
from operator import attrgetter

from scanner.assess.senders import demands
from scanner.assess.senders.demands import Demand, Mailer, Means, Sender, Steps
from scanner.assess.senders.documented import (
    ALL_ADDRESSES,
    BESIDE,
    CHECKED,
    READING,
    STANDS,
    Answers,
    bounces,
    routed,
    unconnected,
    unfetched,
    without_tls,
)
from scanner.assess.senders.wire import PASSES, Step, waits
from scanner.model.assessment import Outcome

LEFT_OPEN = "RFC 3207 section 4 leaves it to the sender"
OLD = "RFC 8996 section 4 forbids what RFC 9325 section 5.2 would rather have than no TLS"
LATER = waits("2.6-rfc-session", "4.0.0", "")
REFUSED = Step(Outcome.BOUNCE, "2.6-rfc-session", "5.0.0", ends=False)
CLEAR = Step(Outcome.CLEAR, "2.6-rfc-clear", "2.0.0")
ENCRYPTED = Step(Outcome.ENCRYPTED, "2.6-rfc-tls", "2.0.0")
VERIFIED = Step(Outcome.ENCRYPTED_AUTHENTICATED, "2.6-rfc-tls", "2.0.0")
UNMET = waits("2.6-rfc-unmet", "4.7.0", "")

BEFORE: Steps = unconnected(LATER, replace(LATER, reason=PASSES), LATER) | {
    "greeting-5xx": REFUSED,
    "helo-5xx": REFUSED,
}
OPTIONAL: Steps = (
    BEFORE
    | without_tls(replace(CLEAR, reason=LEFT_OPEN))
    | dict.fromkeys(("helo", "absent", "starttls-5xx"), CLEAR)
    | dict.fromkeys(STANDS, ENCRYPTED)
    | {"anonymous": None, "old-tls": replace(ENCRYPTED, reason=OLD)}
)
REQUIRED: Steps = BEFORE | without_tls(UNMET) | dict.fromkeys(STANDS, ENCRYPTED) | {"old-tls": UNMET, "anonymous": None}
PROVEN: Steps = REQUIRED | CHECKED | {"anonymous": UNMET}
DANE = Demand(PROVEN, attrgetter("by_tlsa"), VERIFIED, UNMET)
MEANS = Means(
    may=Demand(OPTIONAL),
    unfetched=unfetched(OPTIONAL),
    encrypt=Demand(REQUIRED),
    dane=DANE,
    half_dane=Demand(PROVEN, attrgetter("by_tlsa"), ENCRYPTED, UNMET),
    sts=Demand(PROVEN, attrgetter("by_policy"), VERIFIED, UNMET),
    lookup=UNMET,
    uncovered=UNMET,
)
STRICT = Mailer(
    partial(
        routed,
        Answers(
            bounces("2.6-rfc-dns", "5.1.10"),
            BESIDE,
            bounces("2.6-rfc-dns", "5.1.2"),
            waits("2.6-rfc-dns", "4.4.3", ""),
            bounces("2.6-rfc-dns", "5.4.4"),
        ),
    ),
    READING,
    ALL_ADDRESSES,
)
SENDERS = (Sender("strict_rfc", STRICT, partial(demands.with_policy, means=MEANS)),)
