"""Text that others wrote, made safe to print: no terminal obeys it, one line stays one."""

from __future__ import annotations

import re

#: What a terminal, a log or an editor obeys instead of showing: control characters, those that turn
#: the direction of writing or have no width, line separators, halves of surrogate pairs.
UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def printable(text: object) -> str:
    r"""Text for one line of a terminal or a report, also of bytes that are no UTF-8.

    What is not shown but obeyed is spelled out: an escape becomes `\x1b`, a newline `\n`.
    """
    return UNPRINTABLE.sub(_spelled, str(text))


def _spelled(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")
