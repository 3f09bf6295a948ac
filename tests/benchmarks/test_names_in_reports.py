"""Bundles of any name: their rows keep their cells, in Markdown and on the page."""

from __future__ import annotations

from lunar_bench.report.page import _cells, _to_html
from lunar_bench.report.tables import _table


def test_a_bundle_may_be_named_with_a_bar() -> None:
    table = _table(["candidate", "ms"], [["a | b", "1.5"], ["|", "–"], ["<b>", "2.0"]])
    head, _, *rows = table.splitlines()
    assert _cells(head) == ["candidate", "ms"]
    assert [_cells(row) for row in rows] == [["a | b", "1.5"], ["|", "–"], ["<b>", "2.0"]]
    page = _to_html(table)
    assert page.count("<tr>") == 4
    assert "<td>a | b</td>" in page and "<td>&lt;b&gt;</td>" in page
