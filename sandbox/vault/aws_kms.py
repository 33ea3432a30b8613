"""A keyring sealed by a key in AWS KMS, or in a service that speaks its protocol.

The sealing key is wrapped by `Encrypt` and unwrapped by `Decrypt`, under an encryption context that says
what it is for. Who may call is boto3's business: its usual chain of credentials, never our settings.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from sandbox.vault.sealed import Sealing, Wrapped
from sandbox.vault.sealer import unusable, wrapped_by
from sandbox.vault.wrap import KEY_BYTES, new_key

PROVIDER = "aws-kms"
CONTEXT = {"purpose": "sandbox-keyring"}


@dataclass(frozen=True, slots=True)
class AwsKms:
    """A symmetric key in KMS.

    Args:
        key_id: its id, ARN or alias.
        endpoint: URL of a compatible service; None: AWS.
        region: None: boto3's usual.

    """

    key_id: str
    endpoint: str | None = None
    region: str | None = None

    @property
    def provider(self) -> str:
        """Its name."""
        return PROVIDER

    def fresh(self) -> tuple[Sealing, bytes]:
        """A new sealing key, wrapped by the key in KMS."""
        sealing = new_key()
        answer = self._call("encrypt", KeyId=self.key_id, Plaintext=sealing, EncryptionContext=CONTEXT)
        blob = base64.b64encode(answer["CiphertextBlob"]).decode("ascii")
        return Wrapped(name="aws-kms", key=str(answer["KeyId"]), sealed=blob), sealing

    def key(self, sealing: Sealing) -> bytes:
        """Unwrapped by the key that the file names; another one that the settings name is not tried."""
        wrapped = wrapped_by(sealing, PROVIDER)
        blob = base64.b64decode(wrapped.sealed)
        answer = self._call("decrypt", KeyId=wrapped.key, CiphertextBlob=blob, EncryptionContext=CONTEXT)
        plain = bytes(answer["Plaintext"])
        if len(plain) != KEY_BYTES:
            raise unusable(PROVIDER, "it gave something that is no key")
        return plain

    def _call(self, act: str, **arguments: Any) -> Any:
        try:
            import boto3  # noqa: PLC0415
            from botocore.config import Config  # noqa: PLC0415
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
        except ModuleNotFoundError:
            raise unusable(PROVIDER, "boto3 is not installed (pip install 'data-sandbox[aws]')") from None
        patience = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 3, "mode": "standard"})
        try:
            client = boto3.client("kms", endpoint_url=self.endpoint, region_name=self.region, config=patience)
            return getattr(client, act)(**arguments)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "refused"))
            raise unusable(PROVIDER, f"it refused ({code})") from None
        except (BotoCoreError, ValueError) as error:
            raise unusable(PROVIDER, type(error).__name__) from None
