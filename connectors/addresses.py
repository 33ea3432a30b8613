"""Which addresses the sandbox may fetch from: resolve a name, check every address, and pin one.

A source's URL, a redirect or a "next page" could name a machine of the inner network (server-side request
forgery). So a host whose name resolves to any address that is not public is refused, unless the operator
listed the host by name; and the address that was checked is the one that is connected to.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection

from connectors.opening import unreadable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def pinned(host: str, port: int, private_hosts: Collection[str]) -> str:
    """The address to connect to.

    Args:
        host: name or address.
        port: of the server.
        private_hosts: hosts that may have addresses that are not public.

    Raises:
        SandboxError: SOURCE_UNREADABLE.

    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise unreadable(f"The host {host} is not known.", "Check the URL and the network.") from None
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    if host.lower() not in private_hosts and not all(is_public(ipaddress.ip_address(a)) for a in addresses):
        raise unreadable(
            f"The host {host} has an address that is not public.",
            "If it is meant, list it by the option private_hosts.",
        )
    return addresses[0]


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, also one that is packed into another."""
    if isinstance(address, ipaddress.IPv6Address):
        packed = address.ipv4_mapped or address.sixtofour
        if packed is None and address in _NAT64:
            packed = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if packed is not None:
            return is_public(packed)
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved
