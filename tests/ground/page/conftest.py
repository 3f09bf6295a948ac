from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lunar_ground.page.content import Content, Pair
from lunar_ground.page.results import pairs_of_results
from lunar_ground.page.write import write_page

from .browser import Page, browser
from .results import write_results


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_results(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="session")
def pair(results: Path) -> Pair:
    return pairs_of_results([results / "s0", results / "images"], [results / "pair"])[0]


@pytest.fixture(scope="session")
def file(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(Content("two results", [pair]), path)
    return path


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("downloads")) as page:
        yield page


@pytest.fixture
def page(opened: Page, file: Path) -> Iterator[Page]:
    opened.open(file)
    yield opened
    assert opened.said() == []
    assert opened.requests() == []
