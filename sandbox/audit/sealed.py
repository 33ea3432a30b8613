"""What a person wrote: committed to in the leaf, kept encrypted beside it.

Rules
- The commitment is SHA-256(salt ‖ text) in hex with a fresh salt of 32 bytes, so that a guess at the
  text cannot be checked without the salt.
- (salt ‖ text) is encrypted with AES-256-GCM; the commitment is the associated data, so that a
  ciphertext moved to another entry does not open.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sandbox.audit.leaf import invalid_text

_SALT_BYTES = 32
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Sealed:
    """The commitment (hex) for the leaf, and what lies beside it."""

    commitment: str
    nonce: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What a person wrote, and the salt (32 bytes) that proves it against the leaf's commitment."""

    text: str
    salt: bytes


def seal(key: bytes, text: str) -> Sealed:
    """Commit to a text and encrypt it under `key` (32 bytes).

    Raises:
        SandboxError: REQUEST_INVALID when the text is not valid Unicode.

    """
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    try:
        opened = salt + text.encode()
    except UnicodeEncodeError:
        raise invalid_text() from None
    commitment = hashlib.sha256(opened).hexdigest()
    return Sealed(commitment, nonce, AESGCM(key).encrypt(nonce, opened, commitment.encode()))


def unseal(key: bytes, sealed: Sealed) -> Disclosure | None:
    """The text and its salt; None when they do not open, or do not fit the commitment."""
    try:
        opened = AESGCM(key).decrypt(sealed.nonce, sealed.ciphertext, sealed.commitment.encode())
        if hashlib.sha256(opened).hexdigest() != sealed.commitment:
            return None
        return Disclosure(opened[_SALT_BYTES:].decode(), opened[:_SALT_BYTES])
    except (InvalidTag, ValueError):
        return None


def derived_key(key: bytes, purpose: bytes) -> bytes:
    """A key (32 bytes) for another purpose than to encrypt, by HKDF with SHA-256."""
    return HKDF(hashes.SHA256(), 32, None, purpose).derive(key)


def sealed_bytes(key: bytes, text: str) -> bytes:
    """A text encrypted under `key` (32 bytes), in one piece: for what is kept, but is no entry of the log."""
    sealed = seal(key, text)
    return bytes.fromhex(sealed.commitment) + sealed.nonce + sealed.ciphertext


def commitment_of(piece: bytes) -> str:
    """The commitment (hex) in `sealed_bytes`, which tells nothing of the text without its salt."""
    return piece[: hashlib.sha256().digest_size].hex()


def opened_text(key: bytes, piece: bytes) -> str | None:
    """The text of `sealed_bytes`; None when it does not open."""
    digest = hashlib.sha256().digest_size
    nonce = piece[digest : digest + _NONCE_BYTES]
    found = unseal(key, Sealed(piece[:digest].hex(), nonce, piece[digest + _NONCE_BYTES :]))
    return None if found is None else found.text
