"""The keyring as a key-management service for Parquet Modular Encryption."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pyarrow.parquet import encryption as pe

from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault.keyring import GRADES, Grade, Keyring
from sandbox.vault.wrap import unwrap, wrap


class KeyringKms(pe.KmsClient):
    """Wraps and unwraps data keys of one dataset, for the key classes it was given and no other."""

    def __init__(self, keyring: Keyring, dataset: str, grades: Collection[Grade] = GRADES) -> None:
        super().__init__()
        self._keyring = keyring
        self._allowed = tuple(f"{dataset}/{grade}/" for grade in grades)

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
        """`base64(nonce ‖ ciphertext ‖ tag)` of a data key."""
        return wrap(self._key(master_key_identifier), key_bytes, master_key_identifier)

    # PyArrow's stub says str; the implementation takes bytes, and a key is not text.
    def unwrap_key(  # type: ignore[override]
        self, wrapped_key: str, master_key_identifier: str
    ) -> bytes:
        """The data key."""
        return unwrap(self._key(master_key_identifier), wrapped_key, master_key_identifier)

    def _key(self, identifier: str) -> bytes:
        if not identifier.startswith(self._allowed):
            raise key_refused()
        return self._keyring.key_by_id(identifier)


def crypto_factory(keyring: Keyring, dataset: str, grades: Collection[Grade] = GRADES) -> Any:
    """A `CryptoFactory` over `keyring`; its caches are its own, so a narrower one learns nothing.

    Typed as Any: PyArrow's stub lacks the paths that key material beside the file needs.
    """
    return pe.CryptoFactory(lambda _: KeyringKms(keyring, dataset, grades))


def key_refused() -> SandboxError:
    """The reader does not hold this key class."""
    return SandboxError(
        ErrorCode.KEY_REFUSED,
        "This reader does not hold the key class of a column that it asks for.",
        "Ask for columns of the classes that it was given.",
    )
