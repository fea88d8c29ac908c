"""The one exception of the list, and how its texts are shown and kept short.

Touches: nothing.
"""


class ListRefused(Exception):  # noqa: N818 - a decision about the list, not an error of ours
    """One clear line: what is wrong with the list, and what to do. A single bad row never raises it."""


TEXT_MOST = 1024
"""Characters kept of any one text of the list."""


def shortened(text: str, most: int = TEXT_MOST) -> str:
    """The text, or its beginning and an ellipsis; `most` counts characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def quoted(words: tuple[str, ...]) -> str:
    """Words of a list as a message may show them: quoted, whatever does not print escaped, not endless."""
    return shortened(", ".join(map(repr, words)), 200)
