"""What the pages show: commands with their output, and Python, found in Markdown."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_RUN = "<!-- run -->"
_COMMAND = re.compile(
    r"^\s*(?:\$ )?(?P<command>(?:torchrun\b.*-m lunar_\w+\.cli|lunar-(?!edge\b)[a-z]+) .*)$"
)


@dataclass(frozen=True)
class Block:
    """A fenced block after `<!-- run -->`.

    Attributes:
        language: `console` or `python`.
        text: What is in it.
    """

    language: str
    text: str

    @property
    def steps(self) -> list[tuple[str, str]]:
        """Of a console: each command with the output that is shown below it."""
        steps = []
        for step in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            lines = step.splitlines()
            end = next(i for i, line in enumerate(lines) if not line.endswith("\\"))
            steps.append(("\n".join(lines[: end + 1]), "\n".join(lines[end + 1 :])))
        return steps


def pages() -> list[Path]:
    """Every page of the documentation."""
    top = ("README.md", "DESIGN.md", "CONTRIBUTING.md", "benchmarks/README.md", "models/README.md")
    return [*(ROOT / name for name in top), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_to_run(page: Path) -> list[Block]:
    """The blocks of a page that its test runs, in order."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(rf"^{_RUN}\n```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [Block(language, body) for language, body in found]


def commands(page: Path) -> list[list[str]]:
    """The words of every command of ours that stands in a code block, run or not."""
    found, lines = [], _code_lines(page.read_text(encoding="utf-8"))
    for number, line in enumerate(lines):
        if match := _COMMAND.match(line):
            text, following = match["command"], number + 1
            while text.endswith("\\"):
                text = f"{text[:-1]} {lines[following].strip()}"
                following += 1
            found.append(shlex.split(text, comments=True))
    return found


def _code_lines(text: str) -> list[str]:
    """The lines of fenced and of indented blocks."""
    kept, fenced = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            kept.append(line)
    return kept
