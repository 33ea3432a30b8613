"""Wrapping one key with another, in the form that parquet-mr's key tools read.

`base64(nonce 12 bytes ‖ ciphertext ‖ tag 16 bytes)`, AES-256-GCM (NIST SP 800-38D), with the
identifier of the wrapped or wrapping key as additional authenticated data.
"""

from __future__ import annotations

import base64
import binascii
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


class UnwrapError(Exception):
    """The wrapped bytes are not what this key wrapped under this identifier. Carries no detail."""


def new_key() -> bytes:
    """32 fresh random bytes."""
    return secrets.token_bytes(KEY_BYTES)


def wrap(key: bytes, secret: bytes, identifier: str) -> str:
    """`secret` wrapped with `key` (32 bytes) under `identifier`."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, secret, identifier.encode())).decode("ascii")


def unwrap(key: bytes, wrapped: str, identifier: str) -> bytes:
    """What `wrap` wrapped.

    Raises:
        UnwrapError: another key, another identifier, or altered bytes.

    """
    try:
        raw = base64.b64decode(wrapped, validate=True)
        if len(raw) < NONCE_BYTES + TAG_BYTES:
            raise UnwrapError
        return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], identifier.encode())
    except (InvalidTag, binascii.Error, ValueError):
        raise UnwrapError from None
