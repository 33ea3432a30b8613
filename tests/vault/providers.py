"""Real key providers for tests: a passphrase, AWS KMS (moto's server), a PKCS#11 token (SoftHSM2)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from sandbox.vault.sealer import Sealer

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so")
PIN = "123456"
TOKEN = "sandbox tests"
REGION = "eu-west-1"


@dataclass(frozen=True, slots=True)
class Provided:
    """One provider that runs.

    Attributes:
        sealer: a way to seal with it.
        other: a second key of the same provider, which opens nothing of the first.
        gone: the same, when the provider is not there or not willing; None where there is none to lose.
        settings: what an operator sets for it, by variable name.

    """

    sealer: Sealer
    other: Sealer
    gone: Callable[[], Sealer] | None
    settings: dict[str, str]


@contextmanager
def kms() -> Iterator[Callable[[], Provided]]:
    """A KMS on a loopback port; each call makes two keys in it."""
    from sandbox.vault.aws_kms import AwsKms  # noqa: PLC0415

    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        client = boto3.client("kms", endpoint_url=url, region_name=REGION)

        def provided() -> Provided:
            one, other = (client.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
            return Provided(
                AwsKms(one, url, REGION),
                AwsKms(other, url, REGION),
                lambda: AwsKms(one, "http://127.0.0.1:9", REGION),
                {
                    "SANDBOX_KEY_PROVIDER": "aws-kms",
                    "SANDBOX_AWS_KMS_KEY": one,
                    "SANDBOX_AWS_KMS_ENDPOINT": url,
                    "SANDBOX_AWS_KMS_REGION": REGION,
                },
            )

        try:
            yield provided
        finally:
            server.stop()


@contextmanager
def token(folder: Path) -> Iterator[Callable[[], Provided]]:
    """A fresh token of SoftHSM2 in `folder`; each call names two keys in it.

    The module reads its configuration once in a process, so all tests of one process share the token.
    """
    from sandbox.vault.passphrase import secret_in  # noqa: PLC0415
    from sandbox.vault.pkcs11 import Pkcs11  # noqa: PLC0415

    module = next((Path(one) for one in MODULES if Path(one).exists()), None)
    assert module is not None, "install SoftHSM2: sudo apt-get install -y softhsm2"
    configuration = folder / "softhsm2.conf"
    (folder / "tokens").mkdir()
    configuration.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", TOKEN, "--pin", PIN, "--so-pin", PIN],
        check=True,
        capture_output=True,
    )
    made = iter(range(1000))

    def provided() -> Provided:
        number = next(made)
        pin = folder / f"pin-{number}"
        pin.write_text(PIN + "\n")
        pin.chmod(0o600)
        one, other = (
            Pkcs11(module, TOKEN, f"key-{number}-{half}", lambda: secret_in(pin, "PIN file")) for half in "ab"
        )
        return Provided(
            one,
            other,
            lambda: Pkcs11(module, TOKEN, one.label, lambda: "654321"),
            {
                "SANDBOX_KEY_PROVIDER": "pkcs11",
                "SANDBOX_PKCS11_MODULE": str(module),
                "SANDBOX_PKCS11_TOKEN": TOKEN,
                "SANDBOX_PKCS11_KEY": f"key-{number}-a",
                "SANDBOX_PKCS11_PIN_FILE": str(pin),
            },
        )

    yield provided
