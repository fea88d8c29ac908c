"""TLS-RPT: where a domain wants reports of failed TLS.

Touches: nothing. Source: RFC 8460 section 3.
"""

import re

from scanner.model.policy import TlsRpt
from scanner.model.route import Answer

VERSION = re.compile(rb"v=TLSRPTv1[ \t]*;")
SCHEMES = ("mailto:", "https://")


def read(txt: Answer[bytes]) -> TlsRpt:
    """Find the one valid record. `defect`: `several_records`, `bad_rua`."""
    announced = [record for record in txt.records if VERSION.match(record)]  # RFC 8460 s3: others are discarded
    if len(announced) != 1:
        return TlsRpt(txt, defect="several_records" if announced else "")
    fields = [field.strip(b" \t").partition(b"=") for field in announced[0].split(b";")]
    found = next((value for key, _, value in fields if key == b"rua"), b"").decode("ascii", "replace")
    rua = tuple(uri.strip(" \t") for uri in found.split(","))
    if not all(uri.lower().startswith(SCHEMES) for uri in rua):
        return TlsRpt(txt, defect="bad_rua")
    return TlsRpt(txt, rua=rua)
