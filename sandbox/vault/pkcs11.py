"""A keyring sealed by a key in a hardware security module, by way of PKCS#11 (OASIS, version 2.40).

The key is AES-256, made in the module, sensitive and not extractable: it wraps the sealing key by AES-GCM
inside the module (`CKM_AES_GCM`), with the purpose as additional authenticated data.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError
from sandbox.vault.sealed import Sealing, Wrapped
from sandbox.vault.sealer import unusable, wrapped_by
from sandbox.vault.wrap import KEY_BYTES, NONCE_BYTES, TAG_BYTES, new_key

PROVIDER = "pkcs11"
PURPOSE = b"sandbox-keyring"
AES_BITS = 256


@dataclass(frozen=True, slots=True)
class Pkcs11:
    """A key in a token.

    Args:
        module: shared library of the module.
        token: label of the token.
        label: label of the key; it is made when a keyring is sealed and none is there.
        pin: of the token's user; asked for at each use.

    """

    module: Path
    token: str
    label: str
    pin: Callable[[], str] = field(repr=False)

    @property
    def provider(self) -> str:
        """Its name."""
        return PROVIDER

    def fresh(self) -> tuple[Sealing, bytes]:
        """A new sealing key, wrapped inside the module."""
        sealing, nonce = new_key(), secrets.token_bytes(NONCE_BYTES)
        with self._session(write=True) as (session, p11):
            key = self._found(session, p11) or self._made(session, p11)
            sealed = key.encrypt(sealing, **self._gcm(p11, nonce))
        blob = base64.b64encode(nonce + bytes(sealed)).decode("ascii")
        return Wrapped(name="pkcs11", key=f"{self.token}/{self.label}", sealed=blob), sealing

    def key(self, sealing: Sealing) -> bytes:
        """Unwrapped inside the module, by the key that the file names."""
        wrapped = wrapped_by(sealing, PROVIDER)
        if wrapped.key != f"{self.token}/{self.label}":
            raise unusable(PROVIDER, f"the keyring is sealed by {wrapped.key}, and the settings name another")
        blob = base64.b64decode(wrapped.sealed)
        with self._session(write=False) as (session, p11):
            key = self._found(session, p11)
            if key is None:
                raise unusable(PROVIDER, f"the token holds no key {self.label}")
            plain = bytes(key.decrypt(blob[NONCE_BYTES:], **self._gcm(p11, blob[:NONCE_BYTES])))
        if len(plain) != KEY_BYTES:
            raise unusable(PROVIDER, "it gave something that is no key")
        return plain

    @contextmanager
    def _session(self, *, write: bool) -> Iterator[tuple[Any, Any]]:
        try:
            import pkcs11  # noqa: PLC0415
        except ModuleNotFoundError:
            raise unusable(
                PROVIDER, "python-pkcs11 is not installed (pip install 'data-sandbox[pkcs11]')"
            ) from None
        try:
            token = pkcs11.lib(str(self.module)).get_token(token_label=self.token)
            with token.open(rw=write, user_pin=self.pin()) as session:
                yield session, pkcs11
        except SandboxError:
            raise
        except (pkcs11.exceptions.PKCS11Error, RuntimeError, OSError, ValueError) as error:
            raise unusable(PROVIDER, type(error).__name__) from None

    def _found(self, session: Any, p11: Any) -> Any | None:
        try:
            return session.get_key(
                object_class=p11.ObjectClass.SECRET_KEY, key_type=p11.KeyType.AES, label=self.label
            )
        except p11.exceptions.NoSuchKey:
            return None

    def _made(self, session: Any, p11: Any) -> Any:
        never_leaves = {p11.Attribute.SENSITIVE: True, p11.Attribute.EXTRACTABLE: False}
        return session.generate_key(
            p11.KeyType.AES, AES_BITS, label=self.label, store=True, template=never_leaves
        )

    def _gcm(self, p11: Any, nonce: bytes) -> dict[str, Any]:
        parameters = p11.GCMParams(nonce, PURPOSE, TAG_BYTES * 8)
        return {"mechanism": p11.Mechanism.AES_GCM, "mechanism_param": parameters}
