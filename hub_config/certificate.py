"""The hub's TLS certificate: whether it can be used, before anything starts."""

from __future__ import annotations

import ipaddress
import os
import ssl
from pathlib import Path

NAMES = ("SANDBOX_HUB_CERTIFICATE", "SANDBOX_HUB_KEY")


def complaint(listen: str) -> str:
    """What is wrong with certificate and key, or with having none; empty when nothing."""
    given = [os.environ.get(name, "") for name in NAMES]
    if not any(given):
        if _loopback(listen) or secure():
            return ""
        return (
            f"Passwords would cross the network in the clear to {listen}: set {' and '.join(NAMES)}, or let "
            "a proxy in front of the hub end TLS and set SANDBOX_BEHIND_PROXY=true"
        )
    for name, path in zip(NAMES, given, strict=True):
        if not path:
            return f"A certificate and its key go together: set {name} too"
        try:
            Path(path).read_bytes()
        except OSError as error:
            return f"{name}: {path} cannot be read: {error.strerror}"
    certificate, key = given
    if Path(key).stat().st_mode & 0o007:
        return f"{NAMES[1]}: {key} is open to everybody: chmod 600 {key}"
    try:
        # Without the function, a key with a passphrase would ask at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError) as error:
        return (
            f"{certificate} and {key} are no certificate and its key, in PEM, without a passphrase: {error}"
        )
    return ""


def secure() -> bool:
    """Whether people come by https, so that cookies are for https only."""
    proxied = os.environ.get("SANDBOX_BEHIND_PROXY", "").lower() in ("1", "true")
    return proxied or bool(os.environ.get("SANDBOX_HUB_CERTIFICATE"))


def _loopback(listen: str) -> bool:
    host = listen.rpartition(":")[0].removeprefix("[").removesuffix("]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
