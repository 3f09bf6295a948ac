"""What mkdocs.yml hooks in: pages from the rest of the repository, and parts that are made.

A page says where a made part goes by a comment of its own line:

    <!-- command lunar-infer -->          a tool's usage and options
    <!-- fields MODULE.STRUCT -->         a file format's fields
    <!-- results -->                      the index of benchmarks/results
    <!-- errors -->                       the errors with their exit codes
    <!-- source PATH -->                  a Python file, or with #NAME a piece of it
    <!-- notebook PATH -->                a notebook's cells
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import code_pages
import command_pages
import field_pages
import gallery
import links
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = links.ROOT
RESULTS = "benchmarks/results"

#: Pages outside docs/; whatever they link to comes with them.
OUTSIDE = ("README.md", "DESIGN.md", "CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/README.md")

_MADE = re.compile(
    r"^<!-- (command|fields|results|errors|source|notebook) ?(\S*) -->$", re.MULTILINE
)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add pages outside docs/, files of the repository that a page links to, and the gallery."""
    waiting = list(OUTSIDE)
    for page in files.documentation_pages():
        if page.abs_src_path is not None:
            waiting += _linked(Path(page.abs_src_path))
    waiting += links.targets(_results_index(), RESULTS)
    known: set[str] = set()
    while waiting:
        name = waiting.pop(0)
        file = ROOT / name
        if name in known or not file.exists():
            continue  # a link to nowhere is mkdocs's to report
        known.add(name)
        address = links.site_path(name)
        if file.is_dir():
            inside = sorted(path.name for path in file.iterdir() if path.is_file())
            listing = "\n".join([f"# {file.name}", "", *(f"- [{i}]({i})" for i in inside)])
            files.append(File.generated(config, f"{address}/index.md", content=listing))
            waiting += [f"{name}/{i}" for i in inside]
            continue
        if files.get_file_from_path(address) is None:
            files.append(File.generated(config, address, abs_src_path=str(file)))
            if file.suffix == ".md":
                waiting += _linked(file)
    files.append(File.generated(config, gallery.NAME, content=gallery.gallery_html()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point the links at the site, then put in what is made."""
    source = page.file.abs_src_path
    if source is None:
        return markdown
    if page.parent is None:
        page.meta["hide"] = ["navigation"]  # it would hold nothing but this page
    folder = Path(source).relative_to(ROOT).parent.as_posix()
    text = links.relink(markdown, folder, page.file.src_uri)
    return _MADE.sub(lambda mark: MAKERS[mark[1]](mark[2], page.file.src_uri), text)


def _linked(page: Path) -> list[str]:
    folder = page.relative_to(ROOT).parent.as_posix()
    return list(links.targets(page.read_text(encoding="utf-8"), folder))


def _command(name: str, _: str) -> str:
    section = command_pages.command_section(name, command_pages.tools()[name])
    return section.partition("\n")[2]  # the page has a heading of its own


def _fields(name: str, _: str) -> str:
    return field_pages.fields_section(field_pages.load(name))


def _results(_: str, page: str) -> str:
    return links.relink(re.sub(r"\A# .*\n", "", _results_index()), RESULTS, page)


def _results_index() -> str:
    from lunar_bench.report.results_index import render_index

    return render_index(ROOT / RESULTS)


def _errors(_: str, __: str) -> str:
    from lunar_runtime import errors

    lines = []
    for error in errors.LunarError.__subclasses__():
        builtin = error.__mro__[2].__name__
        lines += [
            f"`{error.__name__}`, a `{builtin}`: exit {error.exit_code}",
            f":   {error.__doc__}",
        ]
        lines.append("")
    return "\n".join(lines)


def _source(name: str, _: str) -> str:
    path, _, piece = name.partition("#")
    return code_pages.source_section(ROOT / path, piece)


def _notebook(name: str, _: str) -> str:
    return code_pages.notebook_section(ROOT / name)


MAKERS: dict[str, Callable[[str, str], str]] = {
    "command": _command,
    "fields": _fields,
    "results": _results,
    "errors": _errors,
    "source": _source,
    "notebook": _notebook,
}
