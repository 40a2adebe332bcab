"""How a server is to serve."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from msgspec import Struct


class BadSettings(Exception):
    """What was asked for is not safe, or cannot be; the message tells the person what to do."""


class Settings(Struct, frozen=True, kw_only=True):
    """Defaults are safe; what is not has to be asked for."""

    directory: Path
    """The state directory, absolute."""
    journal: str = ""
    """Path or URL, as the command line has it."""
    roots: tuple[Path, ...]
    """Plan files and directories that requests name must be in one of these; the first is where
    relative paths start from. Absolute, without links."""
    host: str = "127.0.0.1"
    port: int = 8470
    """0: any that is free."""
    hosts: tuple[str, ...] = ()
    """Names by which it may be called (`Host`), beside those of its address."""
    certificate: str | None = None
    """PEM file for TLS, with the key's file in `key`."""
    key: str | None = None
    insecure_http: bool = False
    """Without TLS on an address that is not loopback: something before it does that."""
    docs: bool = False
    """Serve a page to try the API, which loads scripts from another site."""
    rate: int = 200
    """Requests a second and client, with bursts of twice that; 0: no limit."""

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def trusting(self) -> bool:
        """Whether requests need no token as long as there is none: only this machine calls it,
        and by no other name."""
        return self.loopback and not self.hosts

    @property
    def scheme(self) -> str:
        return "https" if self.certificate else "http"

    def check(self, *, has_tokens: bool) -> None:
        """Raises `BadSettings`."""
        if (self.certificate is None) != (self.key is None):
            raise BadSettings("--tls-cert and --tls-key go together")
        if not self.trusting and not has_tokens:
            what = (
                f"{self.host} can be reached" if not self.loopback else "--allow-host: it is called"
            )
            raise BadSettings(
                f"{what} by others, so a token is needed: "
                "stoker serve token create --scope admin --name me"
            )
        if self.loopback:
            return
        if self.certificate is None and not self.insecure_http:
            raise BadSettings(
                f"{self.host} can be reached by others, so tokens would travel in the open: give "
                "--tls-cert and --tls-key, or --insecure-http if something before it does TLS"
            )

    def allowed_hosts(self) -> frozenset[str] | None:
        """Host names a request may be for, in lower case; None: any, for on such an address
        every request needs a token, which no foreign page has."""
        names = {name.lower() for name in self.hosts}
        if self.loopback:
            return frozenset({"localhost", "127.0.0.1", "[::1]", _bracketed(self.host), *names})
        return frozenset({_bracketed(self.host).lower(), *names}) if names else None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
