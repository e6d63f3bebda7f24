"""Who a client is where no key tells: its address."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.requests import Request

PEER = "x-mos-peer"
"""The header in which our HAProxy says from where a connection comes; what a client sends in it is removed."""
_KNOWN = 4096


class Addresses:
    """Finds the address of a client, also behind proxies.

    The address is that of the connection. If that is a trusted proxy, it is the last address in ``X-Forwarded-For``
    that is not a trusted proxy. An IPv6 client counts by its network of 64 bits, since it can choose the rest.
    """

    def __init__(self, *, behind_haproxy: bool, trusted: Sequence[str]) -> None:
        """Name the networks of the ``trusted`` proxies; ``behind_haproxy`` says that ``PEER`` can be believed."""
        self._behind_haproxy = behind_haproxy
        self._trusted = [ip_network(network) for network in trusted]
        self._address = lru_cache(_KNOWN)(self._parsed)

    def of(self, request: Request) -> str:
        """Return the address, or the network, of a request's client."""
        peer = request.client.host if request.client else ""
        address, trusted = self._address(request.headers.get(PEER, "") if self._behind_haproxy else peer)
        if trusted:
            hops = [hop for line in request.headers.getlist("x-forwarded-for") for hop in line.split(",")]
            for hop in reversed(hops):
                hop_address, trusted = self._address(hop.strip())
                if not hop_address:
                    break
                address = hop_address
                if not trusted:
                    break
        return address

    def _parsed(self, text: str) -> tuple[str, bool]:
        """The address as it counts (empty if it is none), and whether it is a trusted proxy."""
        try:
            address: IPv4Address | IPv6Address = ip_address(text)
        except ValueError:
            return "", False
        if isinstance(address, IPv6Address):
            if address.ipv4_mapped is None:
                network = ip_network((address, 64), strict=False)
                return str(network), any(address in trusted for trusted in self._trusted)
            address = address.ipv4_mapped
        return str(address), any(address in trusted for trusted in self._trusted)
