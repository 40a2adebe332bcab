"""Which hosts an agent may reach: the list of its profile, read.

    api.example.com       this host, any port
    example.com:443       this port of it only
    *.example.com         every host beneath it, not itself
    10.0.0.7:8080         an address
    localhost:11434       a port of this machine, which must be named

A name that is listed but leads to an address that is not of the open internet (private, of
this machine, of its link) is refused unless that address is listed too: whoever owns the name
could otherwise point it anywhere. Standard library only: the proxy beside an agent uses it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class Hosts:
    """A list, ready to be asked. Raises `ValueError` for an entry that is none."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._names: set[tuple[str, int | None]] = set()
        self._suffixes: set[tuple[str, int | None]] = set()
        self._addresses: set[tuple[Address, int | None]] = set()
        self.local: dict[int, str] = {}
        """Ports of this machine that are listed -> host."""
        for entry in entries:
            self._add(entry)

    def _add(self, entry: str) -> None:
        host, port = split(entry)
        address = _address(host)
        if address is not None and not address.is_loopback:
            self._addresses.add((_plain(address), port))
        elif address is not None or _is_local(host):
            if port is None:
                raise ValueError(f"{entry!r}: expected a port, as in {host}:8080")
            self.local[port] = host
        elif host.startswith("*.") and _NAME.fullmatch(host[2:]):
            self._suffixes.add((host[1:], port))
        elif _NAME.fullmatch(host):
            self._names.add((host, port))
        else:
            raise ValueError(f"{entry!r}: expected a host, as in example.com:443 or *.example.com")

    def names(self, host: str, port: int) -> bool:
        """Whether the list has this name or address."""
        host = host.lower().rstrip(".")
        address = _address(host)
        if address is not None:
            plain = _plain(address)
            here = plain.is_loopback and port in self.local
            return here or _listed(self._addresses, plain, port)
        if _is_local(host):
            return port in self.local
        return _listed(self._names, host, port) or any(
            _listed(self._suffixes, host[at:], port) for at in _dots(host)
        )

    def leads(self, address: str, port: int) -> bool:
        """Whether an address that a listed name has may be connected to."""
        found = _plain(ipaddress.ip_address(address.partition("%")[0]))
        if found.is_loopback:
            return port in self.local
        listed = _listed(self._addresses, found, port)
        return listed or (found.is_global and not found.is_multicast)


def split(text: str) -> tuple[str, int | None]:
    """Host and port. Raises `ValueError`."""
    host, _, port = text.strip().lower().rpartition(":")
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif not host or ":" in host:
        host, port = text.strip().lower(), ""
    host = host.rstrip(".")
    if not host.isascii():
        host = host.encode("idna").decode()
    number = int(port) if re.fullmatch("[0-9]{1,5}", port) else None
    if port and (number is None or not 0 < number < 65536):
        raise ValueError(f"{text!r}: expected a port from 1 to 65535, found {port!r}")
    return host, number


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _plain(address: Address) -> Address:
    """The address meant, where one is wrapped into another."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _is_local(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def _listed(entries: set[tuple[Any, int | None]], one: object, port: int) -> bool:
    return (one, port) in entries or (one, None) in entries


def _dots(host: str) -> Iterator[int]:
    return (at for at, one in enumerate(host) if one == "." and at)
