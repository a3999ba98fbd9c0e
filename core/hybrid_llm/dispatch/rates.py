"""What the calls of a pair's arms cost: declared prices first, then those that are known of hosted models."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import lru_cache
from typing import Final

from hybrid_llm.dispatch.place import Place, is_loopback
from hybrid_llm.dispatch.request import Capabilities
from hybrid_llm.errors import ConfigError, MissingExtraError
from hybrid_llm.event import Usage
from hybrid_llm.prices import FREE, Price, Prices

_PATIENCE: Final = 2.0
"""Seconds that a list of prices has to be read, the first time; it is begun while the arm answers."""


class Rates:
    """The prices of a pair.

    A model on a machine of the user's costs nothing unless its price is declared; a hosted one is looked up by its name
    and its address; of any other nobody knows what it costs.

    Args:
        declared: Prices by the name of a model: a ``Price``, or dollars for a million tokens (read, written).
        local_hosts: Hosts of the user's own, beside this machine.

    Raises:
        ConfigError: Something that is no price.

    Example:
        >>> Rates({"gpt-4o": (2.5, 10)}).cost(Capabilities(model="gpt-4o"), Usage(1_000_000, 100_000))
        3.5
        >>> Rates().cost(Capabilities(model="qwen3:4b", place=Place("http://127.0.0.1:11434")), None)
        0.0
    """

    def __init__(
        self, declared: Mapping[str, Price | tuple[float, ...]] | None = None, local_hosts: Sequence[str] = ()
    ) -> None:
        try:
            prices = {name: one if isinstance(one, Price) else Price(*one) for name, one in (declared or {}).items()}
        except (TypeError, AttributeError) as error:
            raise ConfigError(
                "prices= takes dollars for a million tokens by the name of a model, such as "
                f'{{"gpt-4o": (2.5, 10)}}; {error}.'
            ) from error
        self._declared = prices
        self._local_hosts = frozenset(local_hosts)

    def look_up(self, arm: Capabilities) -> None:
        """Begin to look up a price that is not at hand, in the background: the list takes a moment to read."""
        if arm.model not in self._declared and arm.place is not None and not self._is_local(arm.place):
            _listed(arm.model, arm.place.url or "")

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
        if arm.place is None:
            return None
        if self._is_local(arm.place):
            return FREE
        try:
            return _listed(arm.model, arm.place.url or "").result(_PATIENCE)
        except TimeoutError:
            return None

    def _is_local(self, place: Place) -> bool:
        return place.host is None or is_loopback(place.host) or place.host in self._local_hosts


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
