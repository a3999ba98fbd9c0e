"""What the calls of a pair's arms cost: declared prices first, then those that are known of hosted models."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from functools import lru_cache
from typing import Final

from hybrid_llm.dispatch.place import host_of, is_loopback
from hybrid_llm.dispatch.request import Capabilities
from hybrid_llm.errors import ConfigError, MissingExtraError
from hybrid_llm.event import Usage
from hybrid_llm.prices import FREE, Price, Prices

_PATIENCE: Final = 2.0
"""Seconds that a list of prices has to be read, the first time; it is begun while the arm answers."""
_ADDRESSES: Final = (
    "root_client.base_url",
    "_client._client.base_url",
    "openai_api_base",
    "anthropic_api_url",
    "api_base",
    "base_url",
    "endpoint",
)
"""Where the models of the frameworks keep the address of their server; what is really called comes first."""


class Rates:
    """The prices of a pair.

    A model on this machine costs nothing unless its price is declared; a hosted one is looked up by its name and its
    address; of any other nobody knows what it costs.

    Args:
        declared: Prices by the name of a model: a ``Price``, or dollars for a million tokens (read, written).

    Raises:
        ConfigError: Something that is no price.

    Example:
        >>> Rates({"gpt-4o": (2.5, 10)}).cost(Capabilities(model="gpt-4o"), Usage(1_000_000, 100_000))
        3.5
        >>> Rates().cost(Capabilities(model="qwen3:4b", url="http://127.0.0.1:11434"), None)
        0.0
    """

    def __init__(self, declared: Mapping[str, Price | tuple[float, ...]] | None = None) -> None:
        try:
            prices = {name: one if isinstance(one, Price) else Price(*one) for name, one in (declared or {}).items()}
        except (TypeError, AttributeError) as error:
            raise ConfigError(
                "prices= takes dollars for a million tokens by the name of a model, such as "
                f'{{"gpt-4o": (2.5, 10)}}; {error}.'
            ) from error
        self._declared = prices

    def look_up(self, arm: Capabilities) -> None:
        """Begin to look up a price that is not at hand, in the background: the list takes a moment to read."""
        url = _address(arm)
        if arm.model not in self._declared and url and not is_loopback(host_of(url)):
            _listed(arm.model, url)

    def cost(self, arm: Capabilities, usage: Usage | None) -> float | None:
        """Return what a call of an arm cost, in dollars; ``None`` where its price or its tokens are unknown."""
        price = self._price(arm)
        if price is None:
            return None
        if price == FREE:
            return 0.0
        if usage is None or usage.input_tokens is None or usage.output_tokens is None:
            return None
        return price.of(usage.input_tokens, usage.output_tokens, usage.cached_tokens or 0)

    def _price(self, arm: Capabilities) -> Price | None:
        if arm.model in self._declared:
            return self._declared[arm.model]
        url = _address(arm)
        if not url:
            return None
        if is_loopback(host_of(url)):
            return FREE
        try:
            return _listed(arm.model, url).result(_PATIENCE)
        except TimeoutError:
            return None


def _address(arm: Capabilities) -> str:
    return arm.url or (arm.place and arm.place.url) or ""


def url_of(model: object) -> str:
    """Return the base URL of the server behind a framework's model, as far as the model says; else nothing.

    Example:
        >>> from types import SimpleNamespace
        >>> url_of(SimpleNamespace(base_url="http://127.0.0.1:11434"))
        'http://127.0.0.1:11434'
    """
    for path in _ADDRESSES:
        found: object = model
        for name in path.split("."):
            found = getattr(found, name, None)
        if found is not None and "://" in str(found):
            return str(found)
    return ""


@lru_cache(maxsize=256)
def _listed(model: str, url: str) -> Future[Price | None]:
    """Look a price up in the list of hosted models, once, in a thread of its own."""
    found: Future[Price | None] = Future()

    def look() -> None:
        try:
            found.set_result(Prices().of(model, url))
        except (ConfigError, MissingExtraError):
            found.set_result(None)

    threading.Thread(target=look, daemon=True, name="hybrid-llm-prices").start()
    return found
