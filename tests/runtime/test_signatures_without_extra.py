"""Without the extra `sign`: one line that says what to install, and nothing else is lost."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
from lunar_runtime.bundles.signatures import Signature, encode_signatures, key_id

from .apart import run_apart

WITHOUT = "import sys; sys.modules['cryptography'] = None; main()"
SIGNATURE = {
    "key": "4" * 32, "signed": "2026-01-01T00:00:00Z", "comment": "", "signature": "0" * 128
}  # fmt: skip


def test_verifying_without_the_package_says_what_to_install(
    pair: tuple[Path, Path], bundle: Path, tmp_path: Path
) -> None:
    public = b"\x05" + bytes(31)
    signature = msgspec.convert({**SIGNATURE, "key": key_id(public)}, Signature)
    (bundle / "signatures.json").write_bytes(encode_signatures((signature,)))
    trust = tmp_path / "trust.json"
    trust.write_text(json.dumps({"keys": [{"name": "a", "public_key": public.hex()}]}))
    options = ["--bundle", bundle, "--out", tmp_path / "o", "--refine", "off"]
    done = run_apart(WITHOUT, *pair, *options, "--trust", trust)
    assert (done.returncode, done.stderr.count("\n")) == (4, 1), done.stderr
    assert "pip install '.[sign]'" in done.stderr
    done = run_apart(WITHOUT, *pair, *options)
    assert done.returncode == 0, done.stderr
