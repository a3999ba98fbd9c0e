"""What a model group of the proxy can serve, and where it runs, read from its entries in ``model_list``.

A group may have several deployments, between which LiteLLM chooses: what one of them cannot serve, the group cannot.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from hybrid_llm.dispatch import (
    ASSUMED,
    FUNCTION,
    Capabilities,
    OllamaServer,
    Place,
    Window,
    asked_in,
    host_of,
    is_loopback,
    remote_host_of,
)

_MODALITIES: Final = {
    "image": "supports_vision",
    "file": "supports_pdf_input",
    "audio": "supports_audio_input",
    "video": "supports_video_input",
}
_OLLAMAS: Final = ("ollama", "ollama_chat")
_OLLAMA_HERE: Final = "http://localhost:11434"
_FROM_ENVIRONMENT: Final = "os.environ/"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One entry of ``model_list``.

    Args:
        model: Its model, without the provider.
        provider: Who serves it, in LiteLLM's word; empty when it does not say.
        url: The address of its server; ``None`` when it does not say.
        params: Its ``litellm_params``.
        info: What is known of the model, what the entry's ``model_info`` says before what LiteLLM knows.
    """

    model: str
    provider: str
    url: str | None
    params: Mapping[str, Any]
    info: Mapping[str, Any]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Deployment:
        """Read an entry."""
        params = entry.get("litellm_params") or {}
        name = _value(params.get("model")) or ""
        provider, _, model = name.rpartition("/") if "/" in name else ("", "", name)
        provider = provider.partition("/")[0]
        url = _value(params.get("api_base") or params.get("base_url"))
        if url is None and provider in _OLLAMAS:
            url = os.environ.get("OLLAMA_API_BASE") or _OLLAMA_HERE
        return cls(model, provider, url, params, {**_known(name, provider, model), **(entry.get("model_info") or {})})

    @property
    def server(self) -> OllamaServer | None:
        """Its server, where that is an Ollama."""
        if self.provider not in _OLLAMAS or self.url is None:
            return None
        return OllamaServer(_client, self.model, root=self.url.rstrip("/"))

    @property
    def says_where(self) -> OllamaServer | None:
        """Its server in case it is an Ollama: one speaks as OpenAI does, too."""
        if self.server is not None or self.url is None:
            return self.server
        url = urlsplit(self.url)
        return OllamaServer(_client, self.model, root=f"{url.scheme}://{url.netloc}")

    @property
    def asked(self) -> dict[str, Any]:
        """How the entry has it asked; ``None`` for what is left to its server."""
        left = {"temperature": None, "max_tokens": None, **({"think": None} if self.server else {})}
        return {**left, **asked_in(self.params)}

    @property
    def window(self) -> int | Callable[[], int] | None:
        """The tokens that it reads; of an Ollama a function that asks its server."""
        longest, asked, server = self.info.get("max_input_tokens"), self.params.get("num_ctx"), self.server
        if isinstance(longest, int):
            return longest
        if server is not None:
            return lambda: server.window(asked if isinstance(asked, int) else None)
        return None

    def says(self, key: str, otherwise: bool) -> bool:
        """Return what is known of one ability."""
        said = self.info.get(key)
        return otherwise if said is None else bool(said)


def capabilities_of(group: str, entries: Sequence[Mapping[str, Any]]) -> Capabilities:
    """Return what a group can serve.

    A model that nothing is known of is taken to call functions and to follow a schema, not to read images or files, and
    not to be made to call a tool: say so in its ``model_info`` where it can do more (``supports_vision: true``).

    Args:
        group: Its ``model_name``.
        entries: Those of ``model_list``, of other groups too.
    """
    members = [Deployment.of(entry) for entry in entries if entry.get("model_name") == group]

    def every(key: str, otherwise: bool) -> bool:
        return all(member.says(key, otherwise) for member in members)

    return Capabilities(
        model=group,
        provider=members[0].provider,
        context_window=_window_of(members),
        modalities=frozenset(kind for kind, key in _MODALITIES.items() if every(key, False)),
        tools=frozenset({FUNCTION} if every("supports_function_calling", True) else ()),
        forced_tool=every("supports_tool_choice", False),
        structured=every("supports_response_schema", True),
        speaks=True,
        place=_place_of(members),
        asked=_asked_of(members),
    )


def _window_of(members: Sequence[Deployment]) -> int | Window | None:
    windows = [window for member in members if (window := member.window) is not None]
    known = [window for window in windows if isinstance(window, int)]
    asked = [window for window in windows if not isinstance(window, int)]
    if not asked:
        return min(known, default=None)
    return Window(lambda: min([*known, *(ask() for ask in asked)]), assumed=min([*known, ASSUMED]))


def _asked_of(members: Sequence[Deployment]) -> dict[str, Any]:
    """Return how all of a group are asked; what only some are asked for is not in it."""
    first, others = members[0].asked, [member.asked for member in members[1:]]
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}


def _place_of(members: Sequence[Deployment]) -> Place | None:
    """Return where a group runs; ``None`` when nothing tells, or it is at more than one host beside this machine."""
    urls = [member.url for member in members if member.url is not None]
    away = {host_of(url): url for url in urls if not is_loopback(host_of(url))}
    if len(urls) < len(members) or len(away) > 1:
        return None
    servers = [member.says_where for member in members if member.says_where]
    ollamas = [member for member in members if member.server]

    def shown() -> Mapping[str, Any]:
        """Return what an Ollama says of its model, that of one that hands its calls on before the others."""
        said: list[Mapping[str, Any]] = [{}]
        for member, server in zip(members, servers, strict=True):
            with suppress(*(() if member.server else _no_ollama())):
                found: object = server.shown()
                said += [found] if isinstance(found, Mapping) else []
        return next(filter(remote_host_of, said), said[-1])

    digest = servers[0].digest if len(servers) == 1 else None
    return Place(next(iter(away.values()), urls[0]), shown=shown, ollama=bool(ollamas), digest=digest)


def _no_ollama() -> tuple[type[Exception], ...]:
    """Return what comes of asking another kind of server, which has no models of others."""
    import httpx

    return httpx.HTTPError, ValueError


def _known(name: str, provider: str, model: str) -> Mapping[str, Any]:
    """Return what LiteLLM knows of a model, without asking anybody."""
    import litellm  # seconds

    found: list[Mapping[str, Any]] = [litellm.model_cost.get(key) or {} for key in (name, model)]
    return next((entry for entry in found if not provider or entry.get("litellm_provider") == provider), {})


def _value(said: object) -> str | None:
    """Return a text of the config, which may stand in the environment."""
    if not isinstance(said, str):
        return None
    if said.startswith(_FROM_ENVIRONMENT):
        return os.environ.get(said.removeprefix(_FROM_ENVIRONMENT))
    return said


@cache
def _client() -> Any:
    import httpx

    return httpx.Client()
