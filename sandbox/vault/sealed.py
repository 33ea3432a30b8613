"""The keyring as it lies on disk: everything in it is wrapped, and the whole is authenticated.

A checksum tells accidental damage from a wrong passphrase; the MAC, under a key derived from the
master key, tells an altered keyring (an entry removed, added or moved) from a whole one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import unicodedata
from typing import Annotated, Literal, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault.wrap import KEY_BYTES

FORMAT: Literal["sandbox-keyring/1"] = "sandbox-keyring/1"
SALT_BYTES = 32


class Stretching(BaseModel):
    """How a passphrase becomes a key: scrypt (RFC 7914).

    The default costs 64 MiB and about a third of a second (OWASP Password Storage Cheat Sheet:
    N = 2^16, r = 8, p = 2). The upper bounds keep an altered file from exhausting memory.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["scrypt"] = "scrypt"
    n: Annotated[int, Field(ge=2**15, le=2**20)] = 2**16
    r: Annotated[int, Field(ge=8, le=16)] = 8
    p: Annotated[int, Field(ge=1, le=8)] = 2
    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    def key(self, passphrase: str) -> bytes:
        """The 32 bytes that seal the master key. The passphrase is taken in Unicode form NFC."""
        kdf = Scrypt(salt=bytes.fromhex(self.salt), length=KEY_BYTES, n=self.n, r=self.r, p=self.p)
        return kdf.derive(unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass"))


class Wrapped(BaseModel):
    """A sealing key that a key elsewhere wrapped: the provider, the key's name there, and base64."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["aws-kms", "pkcs11"]
    key: Annotated[str, Field(min_length=1, max_length=2048)]
    sealed: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{16,8192}={0,2}$")]


Sealing: TypeAlias = Annotated[Stretching | Wrapped, Field(discriminator="name")]
"""How the key that seals the master key is come by."""


class SealedKeyring(BaseModel):
    """Content of `keyring.json`. Every value of `keys` and `secrets` is wrapped by the master key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["sandbox-keyring/1"] = FORMAT
    sealing: Sealing
    master: Annotated[str, Field(pattern=r"^mk-[1-9][0-9]*$")]
    sealed_master: str
    keys: dict[str, str]
    secrets: dict[str, str]
    mac: str = ""
    checksum: str = ""

    def authenticated(self, master: bytes) -> SealedKeyring:
        """The same, with its MAC and its checksum."""
        signed = self.model_copy(update={"mac": self._mac(master)})
        return signed.model_copy(update={"checksum": signed._checksum()})

    def is_authentic(self, master: bytes) -> bool:
        """Whether every entry is as the holder of `master` left it."""
        return hmac.compare_digest(self.mac, self._mac(master))

    def to_bytes(self) -> bytes:
        """The file's bytes."""
        return (json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True) + "\n").encode()

    def _mac(self, master: bytes) -> str:
        key = HKDF(hashes.SHA256(), KEY_BYTES, None, b"sandbox keyring mac").derive(master)
        return hmac.new(key, self._canonical({"mac", "checksum"}), hashlib.sha256).hexdigest()

    def _checksum(self) -> str:
        return hashlib.sha256(self._canonical({"checksum"})).hexdigest()

    def _canonical(self, without: set[str]) -> bytes:
        return json.dumps(self.model_dump(mode="json", exclude=without), sort_keys=True).encode()


def parse_keyring(content: bytes) -> SealedKeyring:
    """The keyring in `content`.

    Raises:
        SandboxError: KEYRING_CORRUPT.

    """
    try:
        sealed = SealedKeyring.model_validate_json(content)
    except (ValidationError, RecursionError):
        raise keyring_corrupt() from None
    if not hmac.compare_digest(sealed.checksum, sealed._checksum()):
        raise keyring_corrupt()
    return sealed


def keyring_corrupt() -> SandboxError:
    """The keyring is not what was written."""
    return SandboxError(
        ErrorCode.KEYRING_CORRUPT,
        "The keyring is damaged or has been altered.",
        "Restore keyring.json from a backup made after the last key rotation: nothing else opens the data.",
    )
