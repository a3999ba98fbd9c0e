"""Where an arm runs, and whether that counts as this machine.

A private request goes to a small arm at a loopback address, or at a host that the caller names. An address says
nothing of who stands behind it: an Ollama hands its cloud models on, and a proxy reads all that passes. Both are
looked for, once.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from hybrid_llm.dispatch.ollama import remote_host_of
from hybrid_llm.errors import ConfigError, PrivateError

ANYWHERE: Final = "*"
"""In place of a host: the caller answers for it, wherever the arm runs."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the model of an arm runs.

    Args:
        url: The address of its server; ``None`` where it runs in this very program.
        proxy: A proxy that its client was told to take, beside those of the environment.
        shown: Asks the server what an Ollama says of its model by ``/api/show``, and raises what comes of that.
        ollama: Whether the server is known to be an Ollama, so that it has to answer ``shown``.
        digest: Asks the server, if it is an Ollama, which weights the model has; raises what comes of that.

    Example:
        >>> Place("http://127.0.0.1:11434").host, Place().host
        ('127.0.0.1', None)
    """

    url: str | None = None
    proxy: str | None = None
    shown: Callable[[], Mapping[str, Any]] | None = None
    ollama: bool = False
    digest: Callable[[], str | None] | None = None

    @property
    def host(self) -> str | None:
        """The host, without its port; ``None`` in this program."""
        return host_of(self.url) if self.url is not None else None


def host_of(url: str) -> str:
    """Return the host that an address names, without its port; empty for one that names none.

    Example:
        >>> host_of("http://[::1]:8080/v1"), host_of("gpu.lan:11434")
        ('::1', 'gpu.lan')
    """
    try:
        return urlsplit(url if "://" in url else f"//{url}").hostname or ""
    except ValueError:
        return ""


def proxy_of(url: str, *clients: Any) -> str | None:
    """Return the proxy that a client of httpx was made with for an address; ``None`` where there is none to be seen."""
    for client in clients:
        chosen = getattr(client, "_transport_for_url", None)
        transport = None if chosen is None else chosen(type(client.base_url)(url))
        proxy = getattr(getattr(transport, "_pool", None), "_proxy_url", None)
        if proxy is not None:
            return f"{proxy.scheme.decode()}://{proxy.host.decode()}"
    return None


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine and no other.

    Example:
        >>> [is_loopback(host) for host in ("localhost", "127.0.0.2", "::1", "10.0.0.7", "localhost.evil.com")]
        [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def checked_hosts(hosts: object) -> tuple[str, ...]:
    """Return the names of hosts, in lower case.

    Raises:
        ConfigError: These are no names of hosts.
    """
    names = None if isinstance(hosts, (str, bytes)) or not isinstance(hosts, Iterable) else tuple(hosts)
    if names is None or not all(isinstance(name, str) and name and "/" not in name for name in names):
        raise ConfigError(
            f"local_hosts={hosts!r} must be a list of names of hosts that are yours, such as ['gpu.lan', '10.0.0.7']."
        )
    return tuple(name if name == ANYWHERE else (host_of(name) or name.lower()) for name in names)


class Local:
    """Whether the small arm of a pair is local; found out at the first private request, then remembered.

    Args:
        hosts: Hosts that the caller says are theirs, beside loopback; ``"*"`` for any.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = frozenset(hosts)
        self._lock = threading.Lock()
        self.known = False

    def __deepcopy__(self, memo: object) -> Local:
        """Return it itself: copies of a pair talk to the same server."""
        return self

    def trusts(self, host: str) -> bool:
        """Return whether a host is this machine, or one of the caller's."""
        return is_loopback(host) or host in self._hosts or ANYWHERE in self._hosts

    def check(self, place: Place | None, model: str = "") -> None:
        """Refuse a small arm that is not local.

        Args:
            place: Where it runs; ``None`` when unknown.
            model: Its name.

        Raises:
            PrivateError: It is not, or nothing tells; the message says what to do.
            Exception: What its server, which was asked, failed with.
        """
        if self.known:
            return
        with self._lock:
            if not self.known:
                self._check(place, f"small ({model})" if model else "small")
                self.known = True

    def _check(self, place: Place | None, small: str) -> None:
        if place is None:
            if ANYWHERE in self._hosts:
                return
            raise PrivateError(
                f"Nothing tells where {small} runs, so no private request goes there. Where it and all that it calls "
                "runs on machines of yours, say so: local_hosts=['*']."
            )
        if place.host is None:
            return
        if not self.trusts(place.host):
            raise PrivateError(
                f"{small} runs at {place.host or 'an unknown host'}, which is not this machine, so no private request "
                f"goes there. Where that host is yours, name it: local_hosts=[{place.host!r}]."
            )
        proxy = place.proxy or _proxy_around(place.url or "", place.host)
        if proxy and not self.trusts(host_of(proxy)):
            raise PrivateError(
                f"A proxy at {host_of(proxy)} stands between this program and {small}, so no private request goes "
                f"there. Go round it, NO_PROXY={place.host}, or name its host in local_hosts= where it is yours."
            )
        self._check_model(place, small)

    def _check_model(self, place: Place, small: str) -> None:
        """Refuse a model that its server hands on to another one."""
        if place.shown is None:
            return
        try:
            shown: object = place.shown()
        except Exception:
            if place.ollama:
                raise
            return  # another kind of server, which has no models of others; where it is down the call will tell
        remote = remote_host_of(shown) if isinstance(shown, Mapping) else None
        if remote:
            raise PrivateError(
                f"{small} is a cloud model: the Ollama at {place.host} hands its calls on to {remote}, so no private "
                "request goes there. Pull a model that runs here, such as: ollama pull qwen3:4b"
            )


def _proxy_around(url: str, host: str) -> str | None:
    """Return the proxy that the environment names for an address, if any."""
    proxies = getproxies()
    if not proxies or proxy_bypass(host):
        return None
    return proxies.get(urlsplit(url).scheme) or proxies.get("all")
