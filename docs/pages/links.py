"""Links that work in the repository, made to work on the site too.

A page links files of the repository by relative paths, as every host of repositories shows them.
The site has the folder `docs/` at its root and the rest of the repository beside it; `site_path` is
that mapping. A linked file outside `docs/` is taken along into the site.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: Files at the top of the repository that have an address of their own on the site.
ADDRESSES = {
    "README.md": "index.md",
    "DESIGN.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "LICENSE": "licence.txt",
}

_LINK = re.compile(r"(?P<before>!?\[[^\]]*\]\()(?P<target>[^)\s]+)(?P<after>[^)]*\))")
_FENCED = re.compile(r"^(?:```|~~~).*?^(?:```|~~~)[^\n]*\n?", re.MULTILINE | re.DOTALL)
_ELSEWHERE = re.compile(r"^([a-z][a-z0-9+.-]*:|#|/)")


def site_path(repository_path: str) -> str:
    """Where a file of the repository is on the site.

    >>> site_path("docs/jetson.md"), site_path("DESIGN.md"), site_path("models/README.md")
    ('jetson.md', 'architecture.md', 'models/README.md')
    """
    if repository_path in ADDRESSES:
        return ADDRESSES[repository_path]
    return repository_path.removeprefix("docs/")


def targets(text: str, folder: str) -> Iterator[str]:
    """The files of the repository that a page links to.

    Args:
        text: Markdown.
        folder: The page's folder in the repository, which its links are relative to.

    Yields:
        Paths from the repository's root, without `#anchor`; of a folder its README, if it has one.
    """
    for link in _LINK.finditer(_FENCED.sub("", text)):
        if not _ELSEWHERE.match(link["target"]):
            path = _resolve(link["target"].partition("#")[0], folder)
            yield f"{path}/README.md" if (ROOT / path / "README.md").is_file() else path


def relink(text: str, folder: str, page: str) -> str:
    """The same page with links that are relative to its place on the site.

    Args:
        text: Markdown, with links as in the repository.
        folder: The folder in the repository that the links are relative to.
        page: The page's path on the site.
    """

    def replace(link: re.Match[str]) -> str:
        target, mark, anchor = link["target"].partition("#")
        if _ELSEWHERE.match(link["target"]):
            return link[0]
        there = site_path(_page_of(_resolve(target, folder)))
        relative = posixpath.relpath(there, posixpath.dirname(page) or ".")
        return f"{link['before']}{relative}{mark}{anchor}{link['after']}"

    parts, end = [], 0
    for fenced in _FENCED.finditer(text):
        parts += [_LINK.sub(replace, text[end : fenced.start()]), fenced[0]]
        end = fenced.end()
    return "".join([*parts, _LINK.sub(replace, text[end:])])


def _page_of(repository_path: str) -> str:
    """Of a folder, the page that stands for it; anything else as it is."""
    if not (ROOT / repository_path).is_dir():
        return repository_path
    readme = f"{repository_path}/README.md"
    return readme if (ROOT / readme).is_file() else f"{repository_path}/index.md"


def _resolve(target: str, folder: str) -> str:
    return posixpath.normpath(posixpath.join(folder, target))
