"""Files that describe the project: one version, no address of elsewhere in the hooks."""

from __future__ import annotations

import re

from docs.markdown_pages import ROOT
from lunar_runtime import __version__


def test_the_version_is_in_the_changelog_and_the_citation() -> None:
    dated = re.findall(
        r"^## \[([\d.]+)\] - (\d{4}-\d\d-\d\d)$", _text("CHANGELOG.md"), re.MULTILINE
    )
    assert dated[0][0] == __version__
    citation = _text("CITATION.cff")
    assert f"version: {__version__}\n" in citation
    assert f'date-released: "{dated[0][1]}"\n' in citation


def test_pyproject_takes_the_version_from_the_package() -> None:
    assert 'dynamic = ["version"]' in _text("pyproject.toml")


def test_pre_commit_downloads_nothing() -> None:
    assert re.findall(r"repo: (.*)", _text(".pre-commit-config.yaml")) == ["local"]


def test_the_public_hosts_checks_are_the_makefiles() -> None:
    run = re.findall(r"- run: (.*)", _text(".github/workflows/checks.yml"))
    assert run == ["make test", "make demo", "make docs"]


def test_readme_is_short_and_its_tables_are_narrow() -> None:
    lines = _text("README.md").splitlines()
    assert len(lines) <= 130  # "about 100": what is read before one decides to go on
    assert all(line.count("|") <= 5 for line in lines)  # four columns fit a phone


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")
