"""Which sealer the settings choose, and what it needs."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.errors import ErrorCode, SandboxError
from sandbox.settings import Settings
from sandbox.vault.aws_kms import AwsKms
from sandbox.vault.passphrase import passphrase_of, secret_in
from sandbox.vault.pkcs11 import Pkcs11
from sandbox.vault.sealer import Passphrase, Sealer


def chosen_sealer(
    settings: Settings, passphrase: str | None = None, prompt: Callable[[], str] | None = None
) -> Sealer:
    """What seals the keyring, by the settings.

    Args:
        settings: `key_provider`, and what belongs to it.
        passphrase: goes before the settings' one; only for the provider `keyring`.
        prompt: asks a person for it; None when nobody is there.

    Raises:
        SandboxError: PASSPHRASE_MISSING, FILE_MODE; ARGUMENT for a provider whose settings are not all there.

    """
    match settings.key_provider:
        case "keyring":
            return Passphrase(passphrase or passphrase_of(settings, prompt))
        case "aws-kms":
            key = settings.aws_kms_key
            if not key:
                raise _incomplete("aws-kms", "SANDBOX_AWS_KMS_KEY")
            return AwsKms(key, settings.aws_kms_endpoint, settings.aws_kms_region)
        case "pkcs11":
            module, file = settings.pkcs11_module, settings.pkcs11_pin_file
            if module is None or file is None or not settings.pkcs11_token:
                raise _incomplete(
                    "pkcs11", "SANDBOX_PKCS11_MODULE, SANDBOX_PKCS11_TOKEN and SANDBOX_PKCS11_PIN_FILE"
                )
            return Pkcs11(
                module, settings.pkcs11_token, settings.pkcs11_key, lambda: secret_in(file, "PIN file")
            )


def _incomplete(provider: str, names: str) -> SandboxError:
    return SandboxError(
        ErrorCode.ARGUMENT,
        f"The provider {provider} is chosen, but not described.",
        f"Set {names}; see docs/settings.md.",
    )
