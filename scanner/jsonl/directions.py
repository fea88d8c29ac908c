"""What DNS and HTTPS said of a domain, in a row: its route, and its policies.

Touches: nothing. Source: docs/record.md; RFC 6698 section 2.1 (TLSA).
"""

import hashlib

from scanner.jsonl.caps import Pen
from scanner.jsonl.once import ReadOnce
from scanner.jsonl.values import (
    VALIDITIES,
    Part,
    read_bytes,
    read_fault,
    read_flag,
    read_int,
    read_int_if_any,
    read_list,
    read_lookup,
    read_text,
    read_text_if_any,
    read_word,
    write_fault,
    write_lookup,
)
from scanner.model.fault import Fault, Kind
from scanner.model.policy import MtaSts, PolicyFetch, StsMode, StsPolicy, TlsRpt
from scanner.model.route import MxHost, MxRecord, Route, TlsaRecord
from scanner.protocols import tlsa

MODES = {mode.value: mode for mode in StsMode}


def write_route(route: Route, pen: Pen) -> dict[str, object]:
    """Write the route. `mx` holds the hosts in order of delivery, `published` the records as they came."""
    hosts = pen.first(route.hosts, pen.caps.items)
    named = {(record.preference, record.exchange.lower().rstrip(".")) for record in route.mx.records if record.exchange}
    return {
        "resolver": pen.text(route.resolver),
        "implicit": route.implicit,
        "null_mx": route.null_mx,
        **write_lookup(route.mx, pen),
        **pen.listed("published", route.mx.records, lambda it: _write_mx(it, pen), pen.caps.items),
        "mx": [write_host(host, pen) for host in hosts],
        "mx_count": route.mx_count,
        "mx_truncated": len(hosts) < max(len(route.hosts), len(named)),
    }


def write_host(host: MxHost, pen: Pen) -> dict[str, object]:
    """Write one MX host."""
    return {
        "host": pen.text(host.name),
        "preference": host.preference,
        **pen.listed("addresses", host.addresses, pen.text, pen.caps.items),
        "validity": tlsa.validity(host.ipv4, host.ipv6),
        "fault": write_fault(why_no_address(host), pen),
        "ipv4": write_lookup(host.ipv4, pen),
        "ipv6": write_lookup(host.ipv6, pen),
        **pen.listed("tlsa", host.tlsa.records, lambda it: _write_tlsa(it, pen), pen.caps.items),
        "tlsa_base": pen.text(host.tlsa_base),
        "tlsa_lookup": write_lookup(host.tlsa, pen),
        "alias_validity": host.alias_validity,
    }


def why_no_address(host: MxHost) -> Fault | None:
    """Tell why a host has no address, trouble before absence; None where it has one."""
    if host.ipv4.records or host.ipv6.records:
        return None
    faults = [answer.fault for answer in (host.ipv4, host.ipv6) if answer.fault is not None]
    return min(faults, key=lambda fault: fault.kind is Kind.NODATA, default=None)


def _write_mx(record: MxRecord, pen: Pen) -> dict[str, object]:
    return {"preference": record.preference, "exchange": pen.text(record.exchange)}


def _write_tlsa(record: TlsaRecord, pen: Pen) -> dict[str, object]:
    return {
        "usage": record.usage,
        "selector": record.selector,
        "matching_type": record.matching_type,
        "association": pen.hex(record.association),
    }


def read_route(part: Part, domain: str, hosts: ReadOnce[MxHost]) -> Route:
    """Undo `write_route`. A host that rows share is one value for all of them."""
    return Route(
        domain=domain,
        mx=read_lookup(part, read_list(part["published"], _read_mx)),
        hosts=read_list(part["mx"], lambda it: hosts(it, _read_host)),
        mx_count=read_int(part["mx_count"]),
        implicit=read_flag(part["implicit"]),
        null_mx=read_flag(part["null_mx"]),
        resolver=read_text(part["resolver"]),
    )


def _read_mx(part: Part) -> MxRecord:
    return MxRecord(read_int(part["preference"]), read_text(part["exchange"]))


def _read_host(part: Part) -> MxHost:
    addresses = read_list(part["addresses"], read_text)
    return MxHost(
        name=read_text(part["host"]),
        preference=read_int(part["preference"]),
        ipv4=read_lookup(part["ipv4"], tuple([it for it in addresses if ":" not in it])),
        ipv6=read_lookup(part["ipv6"], tuple([it for it in addresses if ":" in it])),
        tlsa=read_lookup(part["tlsa_lookup"], read_list(part["tlsa"], _read_tlsa)),
        tlsa_base=read_text(part["tlsa_base"]),
        alias_validity=read_word(VALIDITIES, part["alias_validity"]),
    )


def _read_tlsa(part: Part) -> TlsaRecord:
    usage, selector, matching_type = (read_int(part[key]) for key in ("usage", "selector", "matching_type"))
    return TlsaRecord(usage, selector, matching_type, bytes.fromhex(part["association"]))


def write_mta_sts(policy: MtaSts, pen: Pen) -> dict[str, object]:
    """Write the record, the fetch and the policy of RFC 8461."""
    return {
        **write_lookup(policy.txt, pen),
        **pen.listed("txt", policy.txt.records, lambda it: pen.raw(it, pen.caps.record_bytes), pen.caps.items),
        "id": pen.text_if_any(policy.id),
        "defect": pen.text_if_any(policy.defect),
        "fetch": _write_fetch(policy.fetch, pen),
        "policy": _write_policy(policy.policy, pen),
    }


def _write_fetch(fetch: PolicyFetch | None, pen: Pen) -> dict[str, object] | None:
    if fetch is None:
        return None
    return {
        "address": pen.text_if_any(fetch.address),
        "http_status": fetch.status,
        "media_type": pen.text_if_any(fetch.media_type),
        "body": pen.raw(fetch.body, pen.caps.body_bytes),
        "body_bytes": len(fetch.body),
        "body_truncated": len(fetch.body) > pen.caps.body_bytes,
        "body_sha256": hashlib.sha256(fetch.body).hexdigest() if fetch.body else None,
        "fault": write_fault(fetch.fault, pen),
    }


def _write_policy(policy: StsPolicy | None, pen: Pen) -> dict[str, object] | None:
    if policy is None:
        return None
    patterns = pen.listed("mx", policy.mx, pen.text, pen.caps.items)
    return {"mode": policy.mode, "max_age_s": policy.max_age_s, **patterns}


def read_mta_sts(part: Part) -> MtaSts:
    """Undo `write_mta_sts`."""
    return MtaSts(
        txt=read_lookup(part, read_list(part["txt"], read_bytes)),
        id=read_text_if_any(part["id"]),
        fetch=_read_fetch(part["fetch"]),
        policy=_read_policy(part["policy"]),
        defect=read_text_if_any(part["defect"]),
    )


def _read_fetch(part: Part | None) -> PolicyFetch | None:
    if part is None:
        return None
    return PolicyFetch(
        address=read_text_if_any(part["address"]),
        status=read_int_if_any(part["http_status"]),
        media_type=read_text_if_any(part["media_type"]),
        body=read_bytes(part["body"]),
        fault=read_fault(part["fault"]),
    )


def _read_policy(part: Part | None) -> StsPolicy | None:
    if part is None:
        return None
    return StsPolicy(read_word(MODES, part["mode"]), read_int(part["max_age_s"]), read_list(part["mx"], read_text))


def write_tls_rpt(reports: TlsRpt, pen: Pen) -> dict[str, object]:
    """Write the record of RFC 8460."""
    return {
        **write_lookup(reports.txt, pen),
        **pen.listed("txt", reports.txt.records, lambda it: pen.raw(it, pen.caps.record_bytes), pen.caps.items),
        **pen.listed("rua", reports.rua, pen.text, pen.caps.items),
        "defect": pen.text_if_any(reports.defect),
    }


def read_tls_rpt(part: Part) -> TlsRpt:
    """Undo `write_tls_rpt`."""
    return TlsRpt(
        txt=read_lookup(part, read_list(part["txt"], read_bytes)),
        rua=read_list(part["rua"], read_text),
        defect=read_text_if_any(part["defect"]),
    )
