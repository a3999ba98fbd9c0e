"""Which models are asked, and how: names such as ``ollama:qwen3:4b``, and the settings of their calls."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

from hybrid_llm.dispatch import is_loopback
from hybrid_llm.errors import ConfigError

Kind = Literal["ollama", "openai"]
KINDS: Final = get_args(Kind)
OLLAMA_URL: Final = "http://127.0.0.1:11434"
OPENAI_URL: Final = "https://api.openai.com/v1"
_ADDRESS: Final = re.compile(r"@(\w+://.*)")
_PRIVATE: Final = (".localhost", ".local", ".lan", ".internal", ".home.arpa")


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model and who serves it.

    Args:
        kind: Which way it is asked: Ollama's own, or that of OpenAI, which many servers speak.
        name: What its server calls it.
        base_url: Where its server is; ``None`` where it usually is.
    """

    kind: Kind
    name: str
    base_url: str | None = None

    @classmethod
    def read(cls, text: str) -> ModelName:
        """Read ``ollama:NAME`` or ``openai:NAME``, with ``@BASE_URL`` where that is not the usual one.

        Raises:
            ConfigError: The text is not of this form; the message says what to write.

        Example:
            >>> ModelName.read("openai:real-small@http://127.0.0.1:18082/v1").base_url
            'http://127.0.0.1:18082/v1'
        """
        kind, _, rest = text.partition(":")
        if kind in KINDS and not rest:
            raise ConfigError(f"{text!r} names no model: {kind}:NAME.")
        if kind not in KINDS:
            raise ConfigError(f"{text!r} does not say who serves it: ollama:{text}, or openai:{text}.")
        address = _ADDRESS.search(rest)  # a name may hold an @
        name, at, url = (rest[: address.start()], "@", address[1]) if address else rest.partition("@")
        if not name:
            raise ConfigError(f"{text!r} names no model: {kind}:NAME.")
        return cls(kind, name, _checked_url(text, url) if at else None)  # type: ignore[arg-type]

    def __str__(self) -> str:
        """Return what :meth:`read` reads."""
        return f"{self.kind}:{self.name}" + (f"@{self.base_url}" if self.base_url else "")

    @property
    def url(self) -> str:
        """Where its server is: where its client finds it, also by ``OLLAMA_HOST`` or ``OPENAI_BASE_URL``."""
        if self.base_url:
            return self.base_url
        if self.kind == "ollama":
            return _of_host(os.environ.get("OLLAMA_HOST") or OLLAMA_URL)
        return (os.environ.get("OPENAI_BASE_URL") or OPENAI_URL).rstrip("/")

    @property
    def host(self) -> str:
        """The name or address of its server."""
        return urlsplit(self.url).hostname or ""

    @property
    def on_loopback(self) -> bool:
        """Whether its server is on this very machine."""
        return is_loopback(self.host)

    @property
    def local(self) -> bool:
        """Whether its server is on this machine or in a private network, as far as its name and address tell.

        Ollama's cloud models are asked through a local server, and named for what they are.

        Example:
            >>> [ModelName.read(text).local for text in ("ollama:qwen3:4b@http://gpu.lan:11434", "ollama:big:1t-cloud")]
            [True, False]
        """
        if self.kind == "ollama" and self.name.endswith("cloud"):
            return False
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return "." not in self.host or self.host.endswith(_PRIVATE)
        return address.is_private or address.is_loopback

    @property
    def hosted_by_openai(self) -> bool:
        """Whether OpenAI itself serves it."""
        return self.host == urlsplit(OPENAI_URL).hostname


def _of_host(text: str) -> str:
    """Read ``OLLAMA_HOST`` as Ollama does: a scheme and a port may be missing, and 0.0.0.0 is this machine."""
    parts = urlsplit(text if "://" in text else f"http://{text}")
    usual = {"http": 11434 if "://" not in text else 80, "https": 443}
    host = "127.0.0.1" if parts.hostname in (None, "0.0.0.0", "::") else parts.hostname  # noqa: S104 - nothing is bound
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}:{parts.port or usual.get(parts.scheme, 11434)}{parts.path.rstrip('/')}"


def _checked_url(text: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fine = False
    if not fine:
        raise ConfigError(f"{text!r}: {url!r} is no base URL; it looks like http://127.0.0.1:8080/v1.")
    if parts.username or parts.password:
        raise ConfigError("A base URL must hold no key or password: it would be stored. Set OPENAI_API_KEY instead.")
    return url.rstrip("/")


@dataclass(frozen=True, slots=True)
class AskSettings:
    """How models are asked; the same for all of them.

    Args:
        system: The system prompt, if any.
        temperature: 0 gives the likeliest answer; ``None`` leaves it to the server.
        max_tokens: Tokens that an answer has at most.
        think: Whether models that can think aloud do; ``None`` leaves it to the server.

    Raises:
        ConfigError: A number is out of its range.
    """

    system: str | None = None
    temperature: float | None = 0.0
    max_tokens: int = 1024
    think: bool | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.temperature is not None and not 0 <= self.temperature <= 2:
            raise ConfigError(f"temperature={self.temperature} must lie between 0 and 2.")
        if self.max_tokens < 1:
            raise ConfigError(f"max_tokens={self.max_tokens} must be at least 1.")

    def as_dict(self) -> dict[str, Any]:
        """Return them as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered.

    Args:
        text: Its text; empty when it said nothing.
        finish: How it ended: ``"stop"``, ``"length"``, ``"tool_calls"``; empty when the server does not say.
        logprobs: Log-probabilities of the tokens of the text, where the server gives them and they are those of the
            text alone.
        seconds: From the question to the last token.
        input_tokens: Tokens that were read, as the server counts them; an estimate where it does not.
        output_tokens: Tokens that were written, those of thinking too.
        digest: Which weights answered, where the server says.
        thought: Whether it thought aloud before it answered.
        load_seconds: How long the model took to load, where the server says.
    """

    text: str
    finish: str = ""
    logprobs: tuple[float, ...] | None = None
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    digest: str | None = None
    thought: bool = False
    load_seconds: float | None = None
