"""The list: bytes of CSV, TSV, plain lines or JSON Lines in, one target per row out.

`opened` finds the bytes and unpacks them, `TargetList` reads them a batch at a time. Nothing is dropped: a row that
names no domain becomes a target whose fault says why. Only what spoils the list as a whole raises `ListRefused`.

Touches: files (streams). Source: RFC 4180 (CSV), RFC 5321 section 2.3.5 (domain), RFC 5891 section 5 (IDN lookup).
"""

from scanner.targets.first_line import Form
from scanner.targets.reader import TargetList
from scanner.targets.refusal import ListRefused
from scanner.targets.streams import ByteStream, is_packed, opened

__all__ = ["ByteStream", "Form", "ListRefused", "TargetList", "is_packed", "opened"]
