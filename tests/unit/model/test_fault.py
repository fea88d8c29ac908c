"""Faults keep whose they are, and stages keep their order."""

import pytest

from scanner.model.fault import PASSING_OURS, Fault, Kind, Side, Stage


def test_stages_compare_in_the_order_of_the_wire() -> None:
    """Text would put `connect` after `closed`; an integer does not."""
    words = [stage.word for stage in sorted(Stage)]
    assert words.index("connect") < words.index("greeting") < words.index("ehlo") < words.index("starttls")
    assert words[-1] == "done"


@pytest.mark.parametrize("kind", sorted(PASSING_OURS))
def test_our_own_passing_trouble_leaves_the_row_undone(kind: Kind) -> None:
    """P7: tried again, never a verdict."""
    assert Fault(Stage.CONNECT, kind, Side.OURS).leaves_row_undone


@pytest.mark.parametrize("kind", [Kind.TIMEOUT, Kind.REFUSED, Kind.REPLY_421])
def test_what_a_peer_does_is_written(kind: Kind) -> None:
    """A remote fault is evidence."""
    assert not Fault(Stage.GREETING, kind).leaves_row_undone


def test_a_source_without_the_family_is_a_setting_and_not_a_passing_trouble() -> None:
    """Another try would not cure it."""
    assert not Fault(Stage.CONNECT, Kind.NO_FAMILY, Side.OURS).leaves_row_undone
