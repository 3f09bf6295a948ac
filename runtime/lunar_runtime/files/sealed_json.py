"""JSON files that notice every change: their last field is the SHA-256 of what is before it.

    head -n -2 manifest.json | sha256sum

gives the checksum of such a file. It tells damage, not forgery: whoever can write the file can
write the checksum too. For that there are signatures.
"""

from __future__ import annotations

import hashlib
import re

_END = b"\n}\n"
_CHECKSUM = re.compile(rb'  "checksum": "([0-9a-f]{64})"\n}\n\Z')


def seal(text: bytes) -> bytes:
    """Add the checksum to an object of at least one field, indented by two, ending in a newline."""
    if not text.endswith(_END):
        raise ValueError("not an indented JSON object that ends in a newline")
    body = text[: -len(_END)] + b",\n"
    return body + f'  "checksum": "{hashlib.sha256(body).hexdigest()}"'.encode() + _END


def unseal(text: bytes) -> bytes | None:
    """Verify the checksum, and give the object without it.

    Returns:
        None if the file does not end in a checksum.

    Raises:
        ValueError: The checksum is that of something else.
    """
    found = _CHECKSUM.search(text, max(0, len(text) - 100))
    if found is None:
        return None
    body = text[: found.start()]
    if hashlib.sha256(body).hexdigest().encode() != found[1]:
        raise ValueError("altered: its checksum is not that of its other lines")
    return body.removesuffix(b",\n") + _END
