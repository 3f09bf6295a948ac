"""A real browser, without a window and without WebGL; nothing that it does is simulated."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Page:
    """A page in a browser."""

    def __init__(self, driver: Any, downloads: Path) -> None:
        self.driver = driver
        self.downloads = downloads

    def open(self, page: Path, hash_: str = "") -> None:
        """Load a page and wait until it is drawn."""
        self.driver.get("about:blank")  # else only the hash would change
        self.driver.get(page.as_uri() + hash_)
        self.wait("return document.documentElement.dataset.ready")
        self.settle()

    def js(self, script: str, *arguments: object) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str, seconds: float = 60) -> Any:
        """Wait until a script returns something true, and return that."""
        end = time.monotonic() + seconds
        while not (found := self.js(script)):
            assert time.monotonic() < end, script
            time.sleep(0.02)
        return found

    def settle(self) -> None:
        """Wait until what was set is drawn."""
        self.driver.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() =>"
            " Pair.ready().then(() => setTimeout(done, 50))));"
        )

    def set(self, **state: object) -> None:
        """Set the page's state as its controls do."""
        self.js("State.set(arguments[0])", state)
        self.settle()

    def keys(self, text: str) -> None:
        """Press keys."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(text).perform()
        self.settle()

    def drag(self, start: tuple[float, float], end: tuple[float, float], canvas: str) -> None:
        """Drag on a canvas, from one place to another; CSS pixels of the canvas."""
        from selenium.webdriver.common.action_chains import ActionChains

        box = self.js(f"const b = {canvas}.getBoundingClientRect(); return [b.left, b.top]")
        chain: Any = ActionChains(self.driver, duration=20)
        chain.w3c_actions.pointer_action.move_to_location(*self._at(box, start))
        chain.w3c_actions.pointer_action.pointer_down()
        chain.w3c_actions.pointer_action.move_to_location(*self._at(box, end))
        chain.w3c_actions.pointer_action.pointer_up()
        chain.perform()
        self.settle()

    def point_at(self, place: tuple[float, float], canvas: str = "Stage.canvas") -> None:
        """Move the pointer over a canvas."""
        from selenium.webdriver.common.action_chains import ActionChains

        box = self.js(f"const b = {canvas}.getBoundingClientRect(); return [b.left, b.top]")
        chain: Any = ActionChains(self.driver, duration=20)
        chain.w3c_actions.pointer_action.move_to_location(*self._at(box, place))
        chain.perform()
        self.settle()

    @staticmethod
    def _at(box: list[float], place: tuple[float, float]) -> tuple[int, int]:
        return round(box[0] + place[0]), round(box[1] + place[1])

    def pixel(self, canvas: str, x: float, y: float) -> list[int]:
        """Red, green, blue and alpha of a canvas' pixel."""
        copy = (
            f"const own = {canvas}, copy = document.createElement('canvas').getContext('2d',"
            " {willReadFrequently: true}); copy.drawImage(own, -arguments[0], -arguments[1]);"
            " return Array.from(copy.getImageData(0, 0, 1, 1).data)"
        )
        return [int(value) for value in self.js(copy, int(x), int(y))]

    def saved(self, button: str) -> Path:
        """Press a button and wait for its file, whole: the browser writes to hidden ones first."""
        before = set(self.downloads.iterdir())
        self.js(f"document.getElementById('{button}').click()")
        end, size = time.monotonic() + 30, 0
        while True:
            new = set(self.downloads.iterdir()) - before
            writing = [p for p in new if p.suffix == ".crdownload" or p.name.startswith(".")]
            if len(new) == 1 and not writing:
                (file,) = new
                last, size = size, file.stat().st_size
                if size and size == last:
                    return file
            assert time.monotonic() < end, f"{button} saved nothing"
            time.sleep(0.05)

    def said(self) -> list[str]:
        """What the browser wrote to its console since the last question."""
        return [line["message"] for line in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """What the page asked for beside itself."""
        found = self.js("return performance.getEntriesByType('resource').map((e) => e.name)")
        return [name for name in found if not name.startswith(("data:", "blob:"))]


@contextmanager
def browser(downloads: Path, size: tuple[int, int] = (1300, 900)) -> Iterator[Page]:
    """A browser, or a skipped test where there is none."""
    selenium = pytest.importorskip("selenium", reason="selenium is not installed")
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no chromium with its chromedriver on this machine")
    assert selenium
    from selenium.webdriver import Chrome
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = program
    arguments = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage"]
    arguments.append(f"--window-size={size[0]},{size[1]}")
    if os.getuid() == 0:
        arguments.append("--no-sandbox")  # chromium refuses root else
    for argument in arguments:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    chrome = Chrome(options=options, service=Service(driver))
    chrome.set_script_timeout(60)
    try:
        yield Page(chrome, downloads)
    finally:
        chrome.quit()
