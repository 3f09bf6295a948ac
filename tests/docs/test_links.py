"""Links that work in the repository work on the site."""

from __future__ import annotations

import links
import pytest
from docs.markdown_pages import ROOT, pages


@pytest.mark.parametrize(
    ("folder", "page", "target", "on_the_site"),
    [
        ("", "index.md", "docs/quickstart.md", "quickstart.md"),
        ("", "index.md", "DESIGN.md", "architecture.md"),
        ("docs", "jetson.md", "../examples/compose.jetson.yaml", "examples/compose.jetson.yaml"),
        ("docs/guides", "guides/teacher.md", "../errors.md#x", "../errors.md#x"),
        ("benchmarks", "benchmarks/README.md", "results/a.md", "results/a.md"),
        ("docs", "a.md", "https://example.org/b.md", "https://example.org/b.md"),
        ("docs", "a.md", "#here", "#here"),
    ],
)
def test_a_link_leads_to_the_same_file(
    folder: str, page: str, target: str, on_the_site: str
) -> None:
    assert links.relink(f"see [it]({target}).\n", folder, page) == f"see [it]({on_the_site}).\n"


def test_links_in_code_are_text() -> None:
    text = "```\n[it](docs/a.md)\n```\n"
    assert links.relink(text, "", "index.md") == text
    assert list(links.targets(text, "")) == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_linked_file_is_there(page: object) -> None:
    assert isinstance(page, type(ROOT))
    folder = page.relative_to(ROOT).parent.as_posix()
    text = page.read_text(encoding="utf-8")
    assert [t for t in links.targets(text, folder) if not (ROOT / t).exists()] == []
