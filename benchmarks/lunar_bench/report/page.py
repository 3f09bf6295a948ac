"""One HTML page with everything of a run in it: no file beside it, nothing from the network."""

from __future__ import annotations

import base64
from html import escape

from lunar_bench.record.run import RunRecord
from lunar_bench.report.tables import markdown

_TITLES = {
    "latency.png": "Time of the network",
    "stages.png": "Where a pair's time goes",
    "memory.png": "Memory",
    "roofline.png": "Parts of the networks under this machine's limits",
    "pareto.png": "Accuracy and time",
    "long_run.png": "The long run",
}

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 76rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: left;
         white-space: nowrap; }
td.number, th.number { text-align: right; }
figure { margin: 1.2rem 0; } img { max-width: 100%; }
.warning { background: #fdecea; border-left: 4px solid #d62728; padding: .5rem 1rem; }
.failed { color: #d62728; font-weight: 600; }
li { margin: .15rem 0; }
"""


def make_page(record: RunRecord, plots: dict[str, bytes]) -> str:
    """The page.

    Args:
        record: The run.
        plots: File name -> PNG.
    """
    warnings = []
    if record.status == "partial":
        warnings.append("This run was interrupted; what is here was measured nevertheless.")
    if record.noise.noisy:
        reasons = "; ".join(record.noise.reasons)
        warnings.append(f"The machine was not quiet: {reasons}. Trust ratios more than times.")
    head, summary, *tables = _to_html(markdown(record)).split("<h2>")
    figures = "".join(
        f"<figure><h2>{escape(title)}</h2>"
        f'<img alt="{escape(title)}" src="data:image/png;base64,'
        f'{base64.b64encode(plots[name]).decode()}"></figure>'
        for name, title in _TITLES.items()
        if name in plots
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>lunar-bench run, {escape(record.machine.date)}</title>"
        '<meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}</style></head><body>{head}"
        + "".join(f'<p class="warning">{escape(text)}</p>' for text in warnings)
        + f"<h2>{summary}"
        + figures
        + "".join(f"<h2>{table}" for table in tables)
        + "</body></html>\n"
    )


def _to_html(text: str) -> str:
    """The Markdown that `tables` writes: headings, lists, tables and paragraphs."""
    return "".join(_block(block.splitlines()) for block in text.strip().split("\n\n"))


def _block(lines: list[str]) -> str:
    first = lines[0]
    if first.startswith("#"):
        level = len(first) - len(first.lstrip("#"))
        heading = f"<h{level}>{escape(first[level:].strip())}</h{level}>"
        return heading + (_block(lines[1:]) if lines[1:] else "")
    if first.startswith("- "):
        return "<ul>" + "".join(f"<li>{escape(line[2:])}</li>" for line in lines) + "</ul>"
    if first.startswith("|"):
        head, rows = _cells(first), [_cells(line) for line in lines[2:]]
        numeric = [all(_is_number(row[i]) for row in rows) for i in range(len(head))]
        return (
            '<div class="scroll"><table><tr>'
            + "".join(_cell("th", text, n) for text, n in zip(head, numeric, strict=True))
            + "</tr>"
            + "".join(
                "<tr>"
                + "".join(_cell("td", text, n) for text, n in zip(row, numeric, strict=True))
                + "</tr>"
                for row in rows
            )
            + "</table></div>"
        )
    return f"<p>{escape(' '.join(lines))}</p>"


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in line.strip("|").split(" | ")]


def _cell(tag: str, text: str, numeric: bool) -> str:
    kinds = ["number"] * numeric + ["failed"] * ("GATE FAILED" in text)
    mark = f' class="{" ".join(kinds)}"' if kinds else ""
    return f"<{tag}{mark}>{escape(text)}</{tag}>"


def _is_number(text: str) -> bool:
    return text == "–" or text.rstrip("%").replace(".", "", 1).lstrip("-").isdecimal()
