"""Settings, from the environment (`SANDBOX_…`). Documented in docs/settings.md."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an operator may set. No setting can turn off noise, charging or the log."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", extra="ignore", frozen=True)

    home: Path = Field(Path("sandbox-home"), description="Folder of the instance.")
    passphrase: SecretStr | None = Field(None, description="Passphrase of the keyring (prefer a file).")
    passphrase_file: Path | None = Field(None, description="File, mode 0600, that holds the passphrase.")
    key_provider: Literal["keyring", "aws-kms", "pkcs11"] = Field(
        "keyring", description="What seals the keyring: a passphrase, or a key in AWS KMS or a PKCS#11 token."
    )
    key_classes: Literal["all", "open"] = Field(
        "all", description="Key classes that this process holds: all, or only that of columns graded open."
    )
    aws_kms_key: str | None = Field(None, description="Id, ARN or alias of the key in AWS KMS.")
    aws_kms_endpoint: str | None = Field(None, description="URL of a service compatible with AWS KMS.")
    aws_kms_region: str | None = Field(None, description="Region of AWS KMS; else boto3's usual.")
    pkcs11_module: Path | None = Field(None, description="Shared library of the PKCS#11 module.")
    pkcs11_token: str | None = Field(None, description="Label of the PKCS#11 token.")
    pkcs11_key: str = Field("sandbox", description="Label of the key in the PKCS#11 token.")
    pkcs11_pin_file: Path | None = Field(
        None, description="File, mode 0600, that holds the PIN of the token's user."
    )
    hot_store_mb: int = Field(2048, ge=16, description="Memory for decrypted columns, in MiB.")
    warm_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Part of the hot store that `sandbox serve` fills before anyone asks; 0 fills none.",
    )
    engine_memory_mb: int = Field(
        4096,
        ge=64,
        description="Memory for running questions, on top of the hot store, in MiB; it never spills.",
    )
    engine_threads: int = Field(0, ge=0, description="Engine threads; 0 means one per core.")
    question_seconds: float = Field(60.0, gt=0, description="Longest time one question may run, in seconds.")
    question_bytes: int = Field(65_536, ge=1024, description="Longest SQL text, in bytes.")
    request_bytes: int = Field(1_048_576, ge=1024, description="Largest HTTP request body, in bytes.")
    listen: str = Field("127.0.0.1:8765", description="Address and port of the API.")
    behind_proxy: bool = Field(
        False, description="Let the API listen beyond loopback: a proxy in front of it ends TLS."
    )
    request_seconds: float = Field(
        15.0, gt=0, description="Longest time a request may take to arrive, in seconds."
    )
    questions_at_once: int = Field(4, ge=1, description="Questions that the API runs at the same time.")
    questions_waiting: int = Field(
        128,
        ge=1,
        description="Questions that may wait at the API, half of them by one person; more are sent away.",
    )
    room_python: Path | None = Field(
        None, description="Interpreter, with ipykernel, that notebooks run on; without it, the sandbox's own."
    )
    room_notebooks: Path | None = Field(
        None, description="Folder of notebooks that a kernel may read, as ~/notebooks."
    )
    room_work: Path | None = Field(None, description="Folder that a kernel may write, as ~/work.")
    room_folder: Path | None = Field(
        None, description="Folder for the sockets of kernels; without it, that for temporary files."
    )
    room_cgroup: str = Field(
        "sandbox",
        pattern=r"^[a-z0-9][a-z0-9/-]*$",
        description="Control group, in every hierarchy, below which rooms get theirs.",
    )
    room_memory_mb: int = Field(
        2048, ge=128, description="Memory of one room, scratch folders included, in MiB."
    )
    room_processes: int = Field(256, ge=16, description="Processes and threads of one room.")
    room_cpus: float = Field(1.0, gt=0, description="Processor time of one room, in cores.")
    room_work_mb: int = Field(1024, ge=1, description="Size of the work folder of one person, in MiB.")
    room_scratch_mb: int = Field(256, ge=1, description="Size of the home, and of /tmp, of one room, in MiB.")
