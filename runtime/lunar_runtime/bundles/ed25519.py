"""Ed25519 keys, through the package `cryptography`. No network, no random numbers but the system's.

A private key is PKCS#8 in PEM, as `openssl pkey` reads it, encrypted where there is a passphrase. A
public key is its 32 bytes.
"""

from __future__ import annotations

from typing import Any

from lunar_runtime.errors import BackendError, InputError

# The points of small order, without their sign: everybody can sign for such a "key".
_WEAK = {
    bytes.fromhex(point)
    for point in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
}


def is_weak(public: bytes) -> bool:
    """Whether a public key is one that everybody can sign for."""
    return public[:-1] + bytes([public[-1] & 0x7F]) in _WEAK


def generate(passphrase: bytes | None = None) -> tuple[bytes, bytes]:
    """A new key.

    Args:
        passphrase: Encrypts the private half; None leaves it readable.

    Returns:
        The private half as PEM, and the public one.
    """
    ed25519, serialization = _import()
    key = ed25519.Ed25519PrivateKey.generate()
    cipher = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, cipher)
    return pem, _public(key)


class PrivateKey:
    """A private key.

    Attributes:
        public: Its public half.

    Args:
        pem: PKCS#8.
        name: Of its file, for errors.
        passphrase: Where it is encrypted.

    Raises:
        InputError: It is no such key, or the passphrase is missing or wrong.
    """

    def __init__(self, pem: bytes, name: object, passphrase: bytes | None = None) -> None:
        ed25519, serialization = _import()
        try:
            key = serialization.load_pem_private_key(pem, passphrase)
        except TypeError as error:  # a passphrase for a key without one, or none for one with
            without = "needs" if passphrase is None else "has no"
            raise InputError(f"{name}: {without} `passphrase_file`") from error
        except Exception as error:  # the package's own come from several modules
            raise InputError(
                f"{name}: not a private key in PEM, or another passphrase ({error})"
            ) from error
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise InputError(f"{name}: not an Ed25519 key; make one with lunar-sign generate")
        self._key = key
        self.public: bytes = _public(key)

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return bytes(self._key.sign(message))


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the private half of `public` made `signature` of `message`."""
    ed25519, _ = _import()
    from cryptography.exceptions import InvalidSignature

    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _public(key: Any) -> bytes:
    _, serialization = _import()
    return bytes(
        key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    )


def _import() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise BackendError(
            "signatures need the package cryptography; pip install '.[sign]'"
        ) from error
    return ed25519, serialization
