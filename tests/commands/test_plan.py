import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.name
import dns.rrset
import orjson
import pytest

from scanner.cli.exits import Exit
from tests.commands.starttls import PATIENCE_S, ROOT, SILENT, Lab, Silent, listed, many, starttls


def planned(*words: object) -> dict[str, Any]:
    """The plan as an object."""
    ending = starttls("plan", "--json", "-q", *words)
    assert (ending.code, ending.err) == (Exit.OK, ""), ending
    (row,) = ending.rows
    return row


def test_the_list_of_the_lab_is_planned(lab: Lab) -> None:
    plan = planned(ROOT / "inputs" / "lab.csv", *lab.flags, "--sources", "each")
    assert plan["rows"] == plan["bad_rows"] + plan["excluded"] + sum(plan["domains"].values())
    assert plan["domains"]["null_mx"] >= 1
    assert plan["domains"]["unresolved"] >= 1
    assert plan["not_visited"]["special"] >= 8
    assert set(plan["sessions_by_source"]) == {"mail", "witness"}
    assert plan["sessions"] == sum(plan["sessions_by_source"].values()) > plan["endpoints"] > 100
    assert len(plan["providers"]) == 20
    assert plan["bounds"][0]["least_s"] == plan["least_s"] <= plan["likely_s"]


def test_no_target_is_contacted(lab: Lab, silent: Silent, tmp_path: Path) -> None:
    plan = planned(listed(tmp_path / "list.csv", [SILENT]), *lab.flags)
    assert (plan["domains"]["mail"], plan["sessions"]) == (1, 1)
    assert silent.connections() == 0


@pytest.mark.parametrize("flags", [("--sources", "each"), ("--sources", "spread"), ("--sources", "each", "--no-share")])
def test_a_scan_connects_as_often_as_was_planned(lab: Lab, tmp_path: Path, flags: tuple[str, ...]) -> None:
    path = listed(tmp_path / "list.csv", [*many(60), *many(20)])
    plan = planned(path, *lab.flags, *flags)
    rows = tmp_path / "rows.jsonl"
    assert starttls("scan", path, *lab.flags, *flags, "-q", "-o", rows).code == Exit.OK
    manifest = orjson.loads(Path(f"{rows}.run.json").read_bytes())
    assert sum(each["connections"] for each in manifest["sources"]) == plan["sessions"]
    assert plan["duplicates"] == 20


def test_people_read_what_binds_the_duration(lab: Lab, tmp_path: Path) -> None:
    path = listed(tmp_path / "list.csv", many(40))
    ending = starttls("plan", path, *lab.flags, "--profile", "standard", "--sources", "each", "-q")
    shown = ending.out.decode()
    assert (ending.code, ending.err) == (Exit.OK, "")
    assert "prefix 127.25.200.0/24: 40 sessions at 1/s per source = 40 s" in shown
    assert "if a session takes 1.5 s" in shown


def test_rows_alone_are_counted_without_asking_anybody(tmp_path: Path) -> None:
    path = listed(tmp_path / "list.csv", ["a.example", "a.example", "no domain", "left.example"])
    exclude = tmp_path / "exclude"
    exclude.write_text("left.example\n")
    plan = planned(path, "--no-dns", "--resolver", "127.0.0.1:9", "--exclude", exclude)
    counted = {name: plan[name] for name in ("rows", "bad_rows", "excluded", "duplicates", "sessions", "bounds")}
    assert counted == {"rows": 4, "bad_rows": 1, "excluded": 1, "duplicates": 1, "sessions": None, "bounds": None}


def test_a_dead_resolver_ends_a_plan(tmp_path: Path) -> None:
    path = listed(tmp_path / "list.csv", many(3))
    said = starttls("plan", path, "-q", "--resolver", "127.0.0.1:9").refused(Exit.ENVIRONMENT)
    assert "127.0.0.1:9" in said


def test_a_list_that_is_none_is_refused(tmp_path: Path) -> None:
    starttls("plan", tmp_path / "nowhere.csv", "-q").refused(Exit.USAGE)


def test_a_list_from_standard_input_is_planned(lab: Lab) -> None:
    ending = starttls("plan", "-", *lab.flags, "-q", "--json", given=b"d0.many.lab.test\n")
    assert ending.rows[0]["sessions"] == 1


@contextlib.contextmanager
def mortal_resolver(answers: int) -> Iterator[str]:
    """Serve DNS for so many questions, then leave: nobody listens there any more."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        place = "{}:{}".format(*wire.getsockname())

        def serve() -> None:
            for _ in range(answers):
                asked, sender = wire.recvfrom(4096)
                response = dns.message.make_response(dns.message.from_wire(asked), recursion_available=True)
                if response.question[0].name == dns.name.root:
                    response.answer.append(dns.rrset.from_text(".", 60, "IN", "NS", "ns.example."))
                wire.sendto(response.to_wire(), sender)
            wire.close()

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        yield place
        server.join(PATIENCE_S)


def test_a_resolver_that_dies_on_the_way_ends_a_plan(tmp_path: Path) -> None:
    path = listed(tmp_path / "list.csv", [f"d{number}.example" for number in range(2000)])
    with mortal_resolver(30) as place:
        said = starttls("plan", path, "-q", "--resolver", place, "--resolver-patience", "1s").refused(Exit.ENVIRONMENT)
    assert f"resolver {place} died after" in said
