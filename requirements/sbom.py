"""A bill of materials of this environment, as CycloneDX JSON: what is installed, by which hash.

    python requirements/sbom.py > sbom.json

It reads the metadata that pip wrote. The hash of a component is that of its RECORD, which lists the
SHA-256 of every installed file. Equal environments give the same file.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Sequence
from importlib.metadata import Distribution, distributions
from typing import Any

SPEC_VERSION = "1.5"


def bill(installed: Sequence[Distribution]) -> dict[str, Any]:
    """The document.

    Args:
        installed: Distributions; of two of one name the first counts, as for an import.
    """
    components: dict[str, dict[str, Any]] = {}
    depends: dict[str, list[str]] = {}
    first: dict[str, Distribution] = {}
    for found in installed:
        first.setdefault(normal(found.metadata["Name"]), found)
    urls = {name: f"pkg:pypi/{name}@{found.version}" for name, found in first.items()}
    for name, found in sorted(first.items()):
        components[name] = _component(name, found, urls[name])
        needed = {normal(re.split(r"[^\w.-]", text)[0]) for text in found.requires or ()}
        depends[name] = sorted(urls[other] for other in needed & set(urls))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "components": list(components.values()),
        "dependencies": [
            {"ref": urls[name], "dependsOn": others} for name, others in depends.items()
        ],
    }


def normal(name: str) -> str:
    """A distribution's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _component(name: str, found: Distribution, url: str) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": url,
        "name": name,
        "version": found.version,
        "purl": url,
    }
    record = found.read_text("RECORD")
    if record is not None:
        digest = hashlib.sha256(record.encode()).hexdigest()
        component["hashes"] = [{"alg": "SHA-256", "content": digest}]
    expression = found.metadata.get("License-Expression")
    if expression:
        component["licenses"] = [{"expression": expression}]
    return component


if __name__ == "__main__":
    json.dump(bill(list(distributions())), sys.stdout, indent=2)
    sys.stdout.write("\n")
