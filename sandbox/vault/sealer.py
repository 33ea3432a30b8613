"""What seals a keyring: the port, and its default, a passphrase.

A sealer gives 32 bytes, the sealing key, which wraps the master key in the keyring's file. How it comes by
them again stands in the file too: for a passphrase how it is stretched; for a key that lives elsewhere its
name and the sealing key wrapped by it. That key never comes here.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Protocol

from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault.sealed import SALT_BYTES, Sealing, Stretching, Wrapped


class Sealer(Protocol):
    """One way to seal a keyring; `provider` is its name in settings and in the file."""

    @property
    def provider(self) -> str:
        """`keyring`, `aws-kms` or `pkcs11`."""
        ...

    def fresh(self) -> tuple[Sealing, bytes]:
        """A new sealing key, and how it is come by again.

        Raises:
            SandboxError: KEY_PROVIDER when the key elsewhere cannot be used; PASSPHRASE_MISSING.

        """
        ...

    def key(self, sealing: Sealing) -> bytes:
        """The sealing key again; a wrong one where nothing tells that it is wrong.

        Raises:
            SandboxError: KEY_PROVIDER when the keyring is sealed in another way, the key elsewhere cannot be
                used, or refuses.

        """
        ...


@dataclass(frozen=True, slots=True)
class Passphrase:
    """The default: scrypt makes the sealing key from a passphrase."""

    passphrase: str = field(repr=False)

    @property
    def provider(self) -> str:
        """Its name."""
        return "keyring"

    def fresh(self) -> tuple[Sealing, bytes]:
        """Stretched with a new salt."""
        if not self.passphrase:
            raise SandboxError(
                ErrorCode.PASSPHRASE_MISSING,
                "A passphrase cannot be empty.",
                "Choose one that nobody can guess.",
            )
        stretching = Stretching(salt=token_hex(SALT_BYTES))
        return stretching, self.key(stretching)

    def key(self, sealing: Sealing) -> bytes:
        """Stretched with the salt of the file."""
        if isinstance(sealing, Wrapped):
            raise sealed_otherwise(sealing, self.provider)
        return sealing.key(self.passphrase)


def sealer_of(given: str | Sealer) -> Sealer:
    """A passphrase as its sealer."""
    return Passphrase(unicodedata.normalize("NFC", given)) if isinstance(given, str) else given


def wrapped_by(sealing: Sealing, provider: str) -> Wrapped:
    """How a key of `provider` wrapped the sealing key.

    Raises:
        SandboxError: KEY_PROVIDER when something else seals the keyring.

    """
    if not isinstance(sealing, Wrapped) or sealing.name != provider:
        raise sealed_otherwise(sealing, provider)
    return sealing


def sealed_otherwise(sealing: Sealing, wanted: str) -> SandboxError:
    """The settings name another provider than the keyring's file."""
    found = sealing.name if isinstance(sealing, Wrapped) else "keyring"
    return SandboxError(
        ErrorCode.KEY_PROVIDER,
        f"The keyring is sealed by {found}; the settings say {wanted}.",
        f"Set SANDBOX_KEY_PROVIDER={found}; `sandbox keys rewrap --to PROVIDER` changes what seals it.",
    )


def unusable(provider: str, what: str) -> SandboxError:
    """The key elsewhere cannot be used."""
    return SandboxError(
        ErrorCode.KEY_PROVIDER,
        f"The key at {provider} cannot be used: {what}.",
        "Check the settings of the provider, that it runs, and that this machine may use the key.",
    )
