"""Everything that a domain may publish for MTA-STS and that somebody may read in another way."""

from dataclasses import dataclass

TXT = b"v=STSv1; id=20260101T000000;"
BODY = b"version: STSv1\r\nmode: enforce\r\nmx: mx.example.org\r\nmax_age: 604800\r\n"
HOST = "mx.example.org"


@dataclass(frozen=True)
class Variant:
    """What is published, and the MX hosts that are asked about."""

    name: str
    body: bytes = BODY
    records: tuple[bytes, ...] = (TXT,)
    content_type: str | None = "text/plain"
    hosts: tuple[str, ...] = (HOST,)


def changed(name: str, old: bytes, new: bytes, charset: str = "") -> Variant:
    """The usual file with one thing changed."""
    assert old in BODY
    return Variant(
        name, BODY.replace(old, new), content_type="text/plain" + (f"; charset={charset}" if charset else "")
    )


def added(name: str, rest: bytes, charset: str = "") -> Variant:
    """The usual file with something behind it."""
    return changed(name, b"604800\r\n", b"604800\r\n" + rest, charset)


def txt(name: str, *records: bytes) -> Variant:
    """Other TXT records."""
    return Variant(name, records=records)


def mx(name: str, *patterns: bytes, hosts: tuple[str, ...] = (HOST,), mode: bytes = b"enforce") -> Variant:
    """Other patterns."""
    lines = [b"version: STSv1", b"mode: " + mode, *(b"mx: " + pattern for pattern in patterns), b"max_age: 604800", b""]
    return Variant(name, b"\r\n".join(lines), hosts=hosts)


FILES = (
    Variant("the usual file"),
    changed("LF ends lines", b"\r\n", b"\n"),
    changed("CR ends lines", b"\r\n", b"\r"),
    Variant("LF and CRLF mixed", BODY.replace(b"\r\n", b"\n", 2)),
    Variant("no end of the last line", BODY.removesuffix(b"\r\n")),
    changed("form feed ends lines", b"\r\n", b"\x0c"),
    added("U+2028 hides a second mode", "note: x\u2028mode: none\r\n".encode(), "utf-8"),
    changed("empty lines", b"\r\n", b"\r\n\r\n"),
    added("empty lines at the end", b"\r\n\r\n"),
    added("a line of blanks", b"  \r\n"),
    Variant("an empty file", b""),
    Variant("an HTML page", b"<!doctype html>\n<title>Not found</title>\n"),
    added("unknown key", b"severity: high\r\n"),
    added("unknown key without value", b"severity:\r\n"),
    added("unknown key, value with colons", b"report: https://example.org:8443/\r\n"),
    added("unknown key, value in UTF-8", "note: für alle\r\n".encode(), "utf-8"),
    added("UTF-8 and no charset said", "note: für alle\r\n".encode()),
    added("bytes that are not UTF-8", b"note: f\xfcr\r\n", "utf-8"),
    added("Latin-1, and it says so", b"note: f\xfcr\r\n", "iso-8859-1"),
    added("a line without colon", b"# a comment\r\n"),
    added("a comment with a colon", b"# note: none\r\n"),
    added("NUL in an unknown value", b"note: a\0b\r\n"),
    changed("NUL behind the mode", b"enforce", b"enforce\0"),
    changed("NUL in a pattern", b"mx.example.org", b"mx.example.org\0"),
    Variant("byte order mark", b"\xef\xbb\xbf" + BODY, content_type="text/plain; charset=utf-8"),
    Variant("UTF-16", BODY.decode().encode("utf-16"), content_type="text/plain; charset=utf-16"),
    changed("no blank behind the colon", b": ", b":"),
    changed("tabs behind the colon", b": ", b":\t\t"),
    changed("blanks before the colon", b":", b" :"),
    changed("blanks before the key", b"mode", b"  mode"),
    changed("blanks behind the value", b"\r\n", b" \t\r\n"),
    changed("no-break space behind the colon", b"mode: ", "mode:\u00a0".encode(), "utf-8"),
    changed("equals sign instead of the colon", b":", b"="),
    Variant("version last", b"mode: enforce\nmx: mx.example.org\nmax_age: 604800\nversion: STSv1\n"),
    changed("version missing", b"version: STSv1\r\n", b""),
    changed("version 2", b"STSv1", b"STSv2"),
    changed("version in lower case", b"STSv1", b"stsv1"),
    changed("keys in capitals", b"mode", b"MODE"),
    changed("mode missing", b"mode: enforce\r\n", b""),
    changed("mode empty", b"enforce", b""),
    changed("mode testing", b"enforce", b"testing"),
    changed("mode in capitals", b"enforce", b"ENFORCE"),
    changed("mode with a comment", b"enforce", b"enforce ; for now"),
    changed("mode unknown", b"enforce", b"report"),
    added("mode twice, none behind enforce", b"mode: none\r\n"),
    added("mode twice, testing behind enforce", b"mode: testing\r\n"),
    added("version twice, the second unknown", b"version: STSv2\r\n"),
    added("max_age twice, the second too large", b"max_age: 99999999\r\n"),
    changed("max_age 0", b"604800", b"0"),
    changed("max_age of a year", b"604800", b"31557600"),
    changed("max_age of a year and a second", b"604800", b"31557601"),
    changed("max_age of eleven digits", b"604800", b"99999999999"),
    changed("max_age with leading zeros", b"604800", b"0000604800"),
    changed("max_age with more than ten digits, zeros", b"604800", b"00000604800"),
    changed("max_age negative", b"604800", b"-1"),
    changed("max_age with plus", b"604800", b"+604800"),
    changed("max_age with underscore", b"604800", b"604_800"),
    changed("max_age with a fraction", b"604800", b"604800.0"),
    changed("max_age in Arabic digits", b"604800", "٦٠٤٨٠٠".encode(), "utf-8"),
    changed("max_age in words", b"604800", b"1 week"),
    changed("max_age empty", b"604800", b""),
    changed("max_age missing", b"max_age: 604800\r\n", b""),
    Variant("64 KiB", BODY + b"x: " + b"y" * (65_536 - len(BODY) - 5) + b"\r\n"),
    Variant("64 KiB and a byte", BODY + b"x: " + b"y" * (65_537 - len(BODY) - 5) + b"\r\n"),
    Variant("media type with charset", content_type="text/plain; charset=us-ascii"),
    Variant("media type in capitals", content_type="TEXT/PLAIN"),
    Variant("media type text/html", content_type="text/html"),
    Variant("media type missing", content_type=None),
    Variant("charset unknown", content_type="text/plain; charset=no-such"),
)

RECORDS = (
    txt("no record"),
    txt("no blank behind `;`", b"v=STSv1;id=1;"),
    txt("no `;` at the end", b"v=STSv1; id=1"),
    txt("two `;` at the end", b"v=STSv1; id=1;;"),
    txt("blank before `;`", b"v=STSv1 ; id=1 ;"),
    txt("blank at the end", b"v=STSv1; id=1 "),
    txt("blank at the front", b" v=STSv1; id=1;"),
    txt("two records", TXT, b"v=STSv1; id=2;"),
    txt("the same record twice", TXT, TXT),
    txt("another TXT record beside it", TXT, b"v=spf1 -all"),
    txt("a bare version beside it", TXT, b"v=STSv1"),
    txt("a longer version beside it", TXT, b"v=STSv10; id=1;"),
    txt("a broken record beside it", TXT, b"v=STSv1; id=;"),
    txt("bare version", b"v=STSv1"),
    txt("bare version with `;`", b"v=STSv1;"),
    txt("version 10", b"v=STSv10; id=1;"),
    txt("version in capitals", b"V=STSV1; id=1;"),
    txt("version not first", b"id=1; v=STSv1;"),
    txt("quotes in the data", b'"v=STSv1; id=1;"'),
    txt("id missing", b"v=STSv1; x=y;"),
    txt("id empty", b"v=STSv1; id=;"),
    txt("id of 32 letters", b"v=STSv1; id=" + b"a" * 32 + b";"),
    txt("id of 33 letters", b"v=STSv1; id=" + b"a" * 33 + b";"),
    txt("id with a hyphen", b"v=STSv1; id=2026-01-01;"),
    txt("id with a blank", b"v=STSv1; id=2026 01;"),
    txt("blank before the id", b"v=STSv1; id= 1;"),
    txt("key in capitals", b"v=STSv1; ID=1;"),
    txt("id twice", b"v=STSv1; id=1; id=2;"),
    txt("id twice, the first broken", b"v=STSv1; id=-; id=2;"),
    txt("extension", b"v=STSv1; id=1; ext.a=b/c:d;"),
    txt("extension before the id", b"v=STSv1; x=y; id=1;"),
    txt("extension without value", b"v=STSv1; id=1; x=;"),
    txt("extension without `=`", b"v=STSv1; id=1; x;"),
    txt("extension with two `=`", b"v=STSv1; id=1; x=y=z;"),
    txt("extension with a name of 33 letters", b"v=STSv1; id=1; " + b"x" * 33 + b"=y;"),
    txt("several strings, joined", b"v=STSv1; id=2026" + b"0101;"),
    txt("several strings, joined with a blank", b"v=STSv1; id=2026" + b" " + b"0101;"),
    txt("not ASCII in an extension", "v=STSv1; id=1; x=ä;".encode()),
    txt("not UTF-8 in another record", TXT, b"\xff\xfe"),
    txt("NUL behind the id", b"v=STSv1; id=1\0;"),
    txt("line end behind the record", b"v=STSv1; id=1;\n"),
    txt("10,000 extensions", b"v=STSv1; id=1;" + b" x=y;" * 10_000),
)

DEEP = ("example.net", "a.example.net", "A.Example.Net.", "a.b.example.net", "aexample.net")
PATTERNS = (
    mx("no pattern, mode enforce"),
    mx("no pattern, mode testing", mode=b"testing"),
    mx("no pattern, mode none", mode=b"none"),
    mx("bad pattern, mode none", b"*", mode=b"none"),
    mx("empty pattern", b""),
    mx("two patterns", b"mx.example.org", b"mx.example.net", hosts=(HOST, "mx.example.net", "mx.example.com")),
    mx("the same pattern twice", b"mx.example.org", b"mx.example.org"),
    mx("two patterns on one line", b"mx.example.org, mx.example.net"),
    mx("pattern in capitals", b"MX.Example.ORG", hosts=(HOST, "mx.EXAMPLE.org")),
    mx("MX host with final dot", b"mx.example.org", hosts=(HOST + ".",)),
    mx("pattern with final dot", b"mx.example.org.", hosts=(HOST, HOST + ".")),
    mx("the domain and its hosts", b"example.org", hosts=("example.org", HOST)),
    mx("wildcard", b"*.example.net", hosts=("example.net", "a.example.net", "A.Example.Net.", "aexample.net")),
    mx("wildcard and two labels", b"*.example.net", hosts=("a.b.example.net",)),
    mx("wildcard in capitals", b"*.EXAMPLE.NET", hosts=("a.example.net",)),
    mx("wildcard below the root", b"*.net", hosts=("example.net", "net")),
    mx("`*.` only", b"*."),
    mx("`*` only", b"*"),
    mx("`.` only", b"."),
    mx("dot at the front", b".example.net", hosts=DEEP),
    mx("wildcard inside", b"mx.*.org"),
    mx("wildcard within a label", b"mx*.example.org"),
    mx("two wildcards", b"*.*.org"),
    mx("empty label", b"mx..example.org"),
    mx("IPv4 address", b"192.0.2.1"),
    mx("address literal", b"[192.0.2.1]"),
    mx("underscore", b"mx_1.example.org", hosts=("mx_1.example.org",)),
    mx("U-label", "mx.bücher.example".encode()),
    mx("A-label", b"mx.xn--bcher-kva.example", hosts=("mx.xn--bcher-kva.example", "mx.XN--Bcher-kva.example")),
    mx("port behind the pattern", b"mx.example.org:25"),
    mx("preference before the pattern", b"10 mx.example.org"),
)

VARIANTS = FILES + RECORDS + PATTERNS
