"""The page's file: markup, style, scripts and data in one, and a policy that allows no more."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from importlib.resources import files

from lunar_ground.page.content import Content
from lunar_ground.page.encode import page_json, pair_json

#: In the order in which they run. Each holds one object that the later ones use.
SCRIPTS = (
    "unpack.js",
    "colours.js",
    "numbers.js",
    "state.js",
    "pair.js",
    "derive.js",
    "scale.js",
    "raster.js",
    "values.js",
    "marks.js",
    "stage.js",
    "profile.js",
    "cloud.js",
    "camera.js",
    "clouds.js",
    "findings.js",
    "table.js",
    "networks.js",
    "save.js",
    "controls.js",
    "keys.js",
    "main.js",
)
_STYLE = "page.css"
_BODY = "page.html"


def make_html(content: Content) -> str:
    """The whole page.

    Its content-security policy names the digests of the one script and the one style sheet and
    allows no other source: nothing is fetched, and no text of a file can run.
    """
    script = "\n".join(_static(name) for name in SCRIPTS)
    style = _static(_STYLE)
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_digest(script)}'",
            f"style-src '{_digest(style)}'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    data = [_data("page-data", page_json(content))]
    data += [_data(f"pair-{i}", pair_json(pair)) for i, pair in enumerate(content.pairs)]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(content.title)}</title>\n<style>{style}</style>\n</head>\n"
        f"<body>\n{_static(_BODY)}\n" + "\n".join(data) + f"\n<script>{script}</script>\n"
        "</body>\n</html>\n"
    )


def _static(name: str) -> str:
    return (files("lunar_ground.page") / "static" / name).read_text("utf-8")


def _data(name: str, text: str) -> str:
    return f'<script type="application/json" id="{name}">{text}</script>'


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
