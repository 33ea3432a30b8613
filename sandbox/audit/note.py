"""Signed notes and checkpoints (C2SP signed-note and tlog-checkpoint), with Ed25519 only.

Rules
- A note is text that ends in a newline, a blank line, and signature lines `— NAME BASE64(hash ‖ signature)`.
- A verifier key is `NAME+HASH+BASE64(0x01 ‖ public key)`; HASH is the first 4 bytes, in hex, of
  SHA-256(NAME ‖ 0x0A ‖ 0x01 ‖ public key).
- Signatures by keys one does not know are ignored; a bad one by the known key refuses the note.
- There is one spelling of everything: base64 whose unused bits are set is refused, so no byte of a
  note can change unseen.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")


class NoteError(ValueError):
    """A note, checkpoint or key that is malformed or not signed as it should be."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A name and its Ed25519 public key (32 bytes)."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not self.name or "+" in self.name or any(c.isspace() or not c.isprintable() for c in self.name):
            raise NoteError("the name of a key is empty or holds a space or a plus sign")
        if len(self.public) != 32:
            raise NoteError("an Ed25519 public key has 32 bytes")

    @property
    def hash(self) -> bytes:
        """The 4 bytes by which a signature line names its key."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.hash.hex()}+{_encode64(_ED25519 + self.public)}"

    @classmethod
    def of(cls, name: str, key: Ed25519PrivateKey) -> VerifierKey:
        """The verifier key that belongs to a signing key."""
        return cls(name, key.public_key().public_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read `NAME+HASH+BASE64`.

        Raises:
            NoteError: malformed, of another kind than Ed25519, or with a wrong hash.

        """
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise NoteError("a verifier key reads NAME+HASH+BASE64")
        encoded = decode64(parts[2])
        if encoded[:1] != _ED25519:
            raise NoteError("the verifier key is not an Ed25519 key")
        key = cls(parts[0], encoded[1:])
        if key.hash.hex() != parts[1]:
            raise NoteError("the verifier key does not match its own hash")
        return key


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log commits to: its name, its number of leaves, and the root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def sign(self, key: Ed25519PrivateKey) -> str:
        """The checkpoint as a note signed under the origin's name."""
        return sign_note(f"{self.origin}\n{self.size}\n{_encode64(self.root)}\n", self.origin, key)

    @classmethod
    def open(cls, note: str, key: VerifierKey) -> Checkpoint:
        """Check the signature of a checkpoint and read it.

        Raises:
            NoteError: malformed, not signed by `key`, or of another log than the key's name says.

        """
        lines = open_note(note, key).split("\n")
        if len(lines) != 4 or not _SIZE.fullmatch(lines[1]):
            raise NoteError("the checkpoint does not read origin, size, root")
        checkpoint = cls(lines[0], int(lines[1]), decode64(lines[2]))
        if len(checkpoint.root) != 32:
            raise NoteError("the root hash of the checkpoint does not have 32 bytes")
        if checkpoint.origin != key.name:
            raise NoteError("the checkpoint names another log than its key")
        return checkpoint


def sign_note(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """`text` as a signed note.

    Raises:
        NoteError: the text does not end in a newline or holds control characters.

    """
    if not text.endswith("\n") or any(ord(c) < 0x20 and c != "\n" for c in text):
        raise NoteError("the text of a note ends in a newline and holds no control characters")
    signature = VerifierKey.of(name, key).hash + key.sign(text.encode())
    return f"{text}\n— {name} {_encode64(signature)}\n"


def open_note(note: str, key: VerifierKey) -> str:
    """The text of a note after its signature by `key` was checked.

    Raises:
        NoteError: malformed, without a signature by `key`, or with a wrong one.

    """
    text, blank, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if not blank or not text or lines[-1] or len(lines) < 2 or len(lines) > 100:
        raise NoteError("this is not a signed note")
    text += "\n"
    try:
        covered = text.encode()
    except UnicodeEncodeError:
        raise NoteError("the note is not UTF-8") from None
    signed = False
    for line in lines[:-1]:
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "—":
            raise NoteError("a signature line of the note is malformed")
        signature = decode64(parts[2])
        if parts[1] != key.name or signature[:4] != key.hash or signed:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature[4:], covered)
        except InvalidSignature:
            raise NoteError("the signature does not fit the text") from None
        signed = True
    if not signed:
        raise NoteError(f"the note is not signed by the key {key}")
    return text


def decode64(text: str) -> bytes:
    """Standard base64 in its one canonical spelling.

    Raises:
        NoteError: anything else.

    """
    try:
        decoded = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise NoteError("this is not base64") from None
    if _encode64(decoded) != text:
        raise NoteError("this base64 has bits set that mean nothing")
    return decoded


def _encode64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
