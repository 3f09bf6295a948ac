"""The words, strings and signs of a label."""

from __future__ import annotations

import re
from typing import NamedTuple

from lunar_ground.planetary.format_error import FormatError

# Alternatives that no text can match in two ways: time grows with the label's length alone.
_SPACE = re.compile(r"(?:[\s\0]+|/\*(?:[^*]|\*(?!/))*\*/|(?<![^\s\0])#[^\n]*)*")
_TOKEN = re.compile(
    r"""(?P<string>"[^"]*"|'[^']*')|(?P<unit><[^<>\n]*>)|(?P<open>[({])|(?P<close>[)}])"""
    r"""|(?P<sign>[=,;])|(?P<word>(?:-[\r\n]+\s*(?=\w)|(?!/\*)[^\s\0="'(){},;<>])+)"""
)
# A dash at a line's end joins what stands before and behind.
_CONTINUED = re.compile(r"-[\r\n]+\s*")
_SIGNS = {"=": "=", ",": ",", ";": ";"}


class Token(NamedTuple):
    """A piece of a label.

    Attributes:
        kind: `word`, `string`, `unit`, `open`, `close`, `=`, `,`, `;` or `end of text`.
        text: Without quotes and angle brackets; white space inside is one blank.
        line: Its number, from 1.
        after_item: Of a unit: whether a word or string stands before it, and not a bracket.
    """

    kind: str
    text: str
    line: int
    after_item: bool = False

    @property
    def is_end(self) -> bool:
        """Whether it ends the label, an object or a group."""
        return self.text.upper() in ("END", "END_OBJECT", "END_GROUP")

    def error(self, problem: str) -> FormatError:
        """A problem at this place."""
        return FormatError(f"the label cannot be read (line {self.line}: {problem}); correct it")


class Tokens:
    """A label's tokens, found one by one: what follows the label's END is never looked at.

    Attributes:
        last: The last token that was taken.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._found: list[Token] = []
        self.last = Token("start of text", "", 1)

    def peek(self, ahead: int = 0) -> Token:
        """A token that is not taken yet.

        Raises:
            FormatError: A sign that is none, or a quote without its end.
        """
        while len(self._found) <= ahead:
            self._found.append(self._find())
        return self._found[ahead]

    def take(self) -> Token:
        """The next token."""
        self.last = self.peek()
        del self._found[0]
        return self.last

    def take_word(self) -> Token:
        """The next token, which must be a word.

        Raises:
            FormatError: It is none, or the text is at its end.
        """
        token = self.take()
        if token.kind == "end of text":
            raise token.error("there is no END")
        if token.kind != "word":
            raise token.error(f"{token.text[:40]!r} where a keyword should be")
        return token

    def next_is(self, sign: str, ahead: int = 0) -> bool:
        """Whether a token that is not taken yet is this sign."""
        return self.peek(ahead).kind == sign

    def skip(self, sign: str) -> bool:
        """Take the next token if it is this sign."""
        if not self.next_is(sign):
            return False
        self.take()
        return True

    def _find(self) -> Token:
        self._move(_SPACE)
        line = self._line
        if self._at >= len(self._text):
            return Token("end of text", "", line)
        before = self._found[-1] if self._found else self.last
        match = self._move(_TOKEN)
        if match is None:
            piece = self._text[self._at : self._at + 20]
            raise Token("", "", line).error(f"{piece!r} is not closed or no sign of a label")
        kind, text = match.lastgroup or "", match.group()
        if kind == "sign":
            return Token(_SIGNS[text], text, line)
        if kind in ("string", "unit"):
            text = text[1:-1]
        text = " ".join(_CONTINUED.sub("", text).split())
        return Token(kind, text, line, before.kind in ("word", "string"))

    def _move(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._line += self._text.count("\n", self._at, match.end())
            self._at = match.end()
        return match
