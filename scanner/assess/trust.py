"""Does a chain lead to a trust anchor? That and nothing else: names, dates of the leaf and purpose are asked elsewhere.

An engine that answers several questions at once stops at the first "no" and hides the others. So the chain is verified
at a moment inside the validity of its leaf: an expired certificate can still be seen to come from a trusted CA.

Touches: nothing. Source: RFC 5280 section 6.1; OpenSSL's X509_verify_cert with no flags: no partial chains, no purpose,
no revocation, no security level.
"""

import hashlib
import warnings
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from OpenSSL import crypto

from scanner.model.certificate import Certificate

CHAINS_REMEMBERED = 10_000
NO_FLAGS = 0
NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME, which pyOpenSSL has no name for."""
SECOND = timedelta(seconds=1)
BEGINNING, END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom we trust: `anchors` are DER; `sha256` is the digest of the bundle they came in."""

    name: str
    sha256: str
    anchors: tuple[bytes, ...] = field(repr=False)


def trust(name: str, pem_bytes: bytes) -> Trust:
    """Read a PEM bundle. Raises ValueError where it holds no certificate, or one that cannot be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # odd serial numbers are the CA's affair
        anchors = x509.load_pem_x509_certificates(pem_bytes)
    digest = hashlib.sha256(pem_bytes).hexdigest()
    return Trust(name, digest, tuple(anchor.public_bytes(Encoding.DER) for anchor in anchors))


@dataclass(frozen=True, slots=True)
class ChainFault:
    """Why a chain does not verify: OpenSSL's X509_V_ERR code, the depth (0 is the leaf), and its words."""

    code: int
    depth: int
    text: str


UNREADABLE = ChainFault(-1, 0, "certificate cannot be read")
EXPIRED = 10
NOT_YET_VALID = 9


class Answer(NamedTuple):
    """What came of a verification. It holds from `since` until before `until`, where the next date turns."""

    fault: ChainFault | None
    since: datetime
    until: datetime


class Verifier:
    """One trust store, and the chains it has verified: a million domains share a few thousand chains.

    An answer is reused only where it must be the same: for the same certificates while none of them, and no anchor,
    has begun or ceased to be valid in between. Of each chain the last answer is kept: moments come in order.
    """

    def __init__(self, anchors: Trust, remembered: int = CHAINS_REMEMBERED) -> None:
        self._anchors = tuple(filter(None, map(_load, anchors.anchors)))
        self._turns = _turns(anchors.anchors)
        self._seen: OrderedDict[tuple[str, ...], Answer] = OrderedDict()
        self._remembered = remembered
        self._last: tuple[datetime, crypto.X509Store | None] = (BEGINNING, None)
        self.verifications = 0

    def answer(self, chain: tuple[Certificate, ...], at: datetime) -> Answer:
        """Why the chain, leaf first, leads to no anchor, if it does not: the very same value while it holds."""
        key = tuple([it.sha256 for it in chain])
        known = self._known(key, at)
        if known is not None:
            return known
        return self._remember(key, verify(self._store(chain, inside(chain[0], at)), chain), chain, at)

    def anchored(self, anchor: Certificate, chain: tuple[Certificate, ...], at: datetime) -> ChainFault | None:
        """Why the chain does not lead to this one anchor, which need not be self-signed (RFC 7671 section 5.2)."""
        key = ("", anchor.sha256, *[it.sha256 for it in chain])
        known = self._known(key, at)
        if known is None:
            known = self._remember(key, _anchored(anchor, chain, inside(chain[0], at)), (anchor, *chain), at)
        return known.fault

    def _store(self, chain: tuple[Certificate, ...], moment: datetime) -> crypto.X509Store:
        """Take the last store again where nothing turned between its moment and this one: building costs most."""
        last, made = self._last
        turned = bisect_right(self._turns, last) != bisect_right(self._turns, moment)
        if made is None or turned or _standing(chain, last) != _standing(chain, moment):
            made = store(self._anchors, NO_FLAGS, moment)
            self._last = (moment, made)
        return made

    def _known(self, key: tuple[str, ...], at: datetime) -> Answer | None:
        known = self._seen.get(key)
        if known is None or not known.since <= at < known.until:
            return None
        self._seen.move_to_end(key)
        return known

    def _remember(
        self, key: tuple[str, ...], fault: ChainFault | None, about: Iterable[Certificate], at: datetime
    ) -> Answer:
        """Keep an answer for as long as no date turns, of these certificates or of an anchor."""
        self.verifications += 1
        ends = sorted(end for it in about for end in _ends(it.not_before_at, it.not_after_at))
        before, after = zip(_around(ends, at), _around(self._turns, at), strict=True)
        self._seen[key] = answer = Answer(fault, max(before), min(after))
        if len(self._seen) > self._remembered:
            self._seen.popitem(last=False)
        return answer


def inside(leaf: Certificate, at: datetime) -> datetime:
    """Move to the nearest whole second within the leaf's validity."""
    moment = at.replace(microsecond=0)
    if leaf.not_after_at is not None:
        moment = min(moment, _shifted(leaf.not_after_at, -SECOND))
    if leaf.not_before_at is not None:
        moment = max(moment, leaf.not_before_at)
    return moment


def _anchored(anchor: Certificate, chain: tuple[Certificate, ...], moment: datetime) -> ChainFault | None:
    """Dates are asked apart: an anchor that DNS vouches for has none (RFC 5280 section 6.1.1), unless it signs itself,
    where OpenSSL asks all the same, and so do the senders that use it.
    """
    loaded = _load(anchor.der)
    if loaded is None:
        return UNREADABLE
    found = path(store((loaded,), crypto.X509StoreFlags.PARTIAL_CHAIN | NO_CHECK_TIME, moment), chain)
    if isinstance(found, ChainFault):
        return found
    known = {it.sha256: it for it in (*chain, anchor)}
    dated = [known[digest] for digest in (found if anchor.self_issued else found[:-1]) if digest in known]
    return next((fault for depth, it in enumerate(dated) if depth and (fault := _dated(it, depth, moment))), None)


def _dated(certificate: Certificate, depth: int, moment: datetime) -> ChainFault | None:
    if certificate.not_after_at is not None and moment > certificate.not_after_at:
        return ChainFault(EXPIRED, depth, "certificate has expired")
    if certificate.not_before_at is not None and moment < certificate.not_before_at:
        return ChainFault(NOT_YET_VALID, depth, "certificate is not yet valid")
    return None


def store(anchors: Iterable[crypto.X509], flags: int, moment: datetime) -> crypto.X509Store:
    """Build a store for one moment: OpenSSL keeps the first time it is given and ignores every later one."""
    made = crypto.X509Store()
    made.set_flags(flags)
    made.set_time(moment)
    for anchor in anchors:
        made.add_cert(anchor)
    return made


def verify(anchors: crypto.X509Store, chain: tuple[Certificate, ...]) -> ChainFault | None:
    """One verification, some 200 microseconds. Certificates above the leaf that cannot be read are left out."""
    found = path(anchors, chain)
    return found if isinstance(found, ChainFault) else None


def path(anchors: crypto.X509Store, chain: tuple[Certificate, ...]) -> tuple[str, ...] | ChainFault:
    """Find the way from the leaf to an anchor, as SHA-256 of each certificate; or why there is none."""
    leaf, *others = [_load(certificate.der) for certificate in chain]
    if leaf is None:
        return UNREADABLE
    context = crypto.X509StoreContext(anchors, leaf, [it for it in others if it is not None])
    try:
        found = context.get_verified_chain()
    except crypto.X509StoreContextError as error:
        code, depth, text = error.errors
        return ChainFault(code, depth, text)
    return tuple(it.digest("sha256").decode().replace(":", "").lower() for it in found)


def _load(der: bytes) -> crypto.X509 | None:
    try:
        return crypto.load_certificate(crypto.FILETYPE_ASN1, der)
    except crypto.Error:
        return None


def _turns(anchors: Iterable[bytes]) -> list[datetime]:
    """Every instant at which an anchor begins or ceases to be valid."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        read = [x509.load_der_x509_certificate(anchor) for anchor in anchors]
    return sorted({turn for it in read for turn in _ends(it.not_valid_before_utc, it.not_valid_after_utc)})


def _ends(not_before_at: datetime | None, not_after_at: datetime | None) -> tuple[datetime, ...]:
    """The last second has an end on both sides, because versions of OpenSSL differ on whether it still counts."""
    first = () if not_before_at is None else (not_before_at,)
    return first if not_after_at is None else (*first, not_after_at, _shifted(not_after_at, SECOND))


def _around(ends: list[datetime], at: datetime) -> tuple[datetime, datetime]:
    """Find the last of these at or before a moment, and the first after it."""
    place = bisect_right(ends, at)
    return ends[place - 1] if place else BEGINNING, ends[place] if place < len(ends) else END


def _shifted(moment: datetime, by: timedelta) -> datetime:
    """Stay within what a calendar holds: 99991231235959Z is how a certificate says "for ever" (RFC 5280 s4.1.2.5)."""
    try:
        return moment + by
    except OverflowError:
        return moment


def _standing(chain: tuple[Certificate, ...], moment: datetime) -> tuple[tuple[str, int], ...]:
    """Each certificate, and how many ends of its validity lie behind this moment."""
    return tuple(
        [(it.sha256, sum([end <= moment for end in _ends(it.not_before_at, it.not_after_at)])) for it in chain]
    )
