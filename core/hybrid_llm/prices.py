"""What a call costs: prices that the user declares, and those of hosted models that are known without a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from hybrid_llm.errors import ConfigError, MissingExtraError

OPENAI_URL: Final = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a million tokens.

    Args:
        input: Of what is sent.
        output: Of what is written.
        cached: Of what is sent and found in the provider's prompt cache; ``None``: as the rest of the input.

    Raises:
        ConfigError: One is negative or no number.
    """

    input: float
    output: float
    cached: float | None = None

    def __post_init__(self) -> None:
        """Check that these are prices."""
        if not all(0 <= price < float("inf") for price in (self.input, self.output, self.cached or 0)):
            raise ConfigError(f"A price of {self.input}:{self.output} dollars per million tokens makes no sense.")

    def of(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> float:
        """Return what a call costs, in dollars.

        Args:
            input_tokens: What was sent, the cached tokens among it.
            output_tokens: What was written.
            cached_tokens: What of the input was found in the provider's prompt cache.

        Example:
            >>> Price(2.5, 10).of(1_000_000, 100_000)
            3.5
            >>> Price(2.5, 10, cached=1.25).of(1_000_000, 100_000, cached_tokens=800_000)
            2.5
        """
        again = min(cached_tokens, input_tokens)
        cached = self.input if self.cached is None else self.cached
        return (self.input * (input_tokens - again) + cached * again + self.output * output_tokens) / 1e6


FREE = Price(0, 0)


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by the name of a model.

    Args:
        declared: What the user says; it goes before what is known.
    """

    declared: Mapping[str, Price] = field(default_factory=dict)

    @classmethod
    def read(cls, texts: Iterable[str]) -> Prices:
        """Read what ``--price`` takes: ``NAME=IN:OUT``, dollars per million tokens.

        Raises:
            ConfigError: A text is not of this form.

        Example:
            >>> Prices.read(["qwen3:4b=0:0.2"]).of("qwen3:4b").output
            0.2
        """
        return cls(dict(map(_read, texts)))

    def of(self, model: str, url: str = OPENAI_URL, *, local: bool = False) -> Price:
        """Return the price of a model.

        Args:
            model: Its name, as its server calls it.
            url: Base URL of its server: the same model has other prices elsewhere.
            local: Whether it runs on a machine of the user's: then it costs nothing unless the user says otherwise.

        Raises:
            ConfigError: Nobody knows the price; the message says how to declare it.
            MissingExtraError: The price has to be looked up and genai-prices is not installed.
        """
        if model in self.declared:
            return self.declared[model]
        return FREE if local else _known(model, url)


def _read(text: str) -> tuple[str, Price]:
    name, _, price = text.rpartition("=")
    given, _, written = price.partition(":")
    try:
        return _named(name), Price(float(given), float(written))
    except ValueError:
        raise ConfigError(
            f"--price {text!r} must be NAME=IN:OUT in dollars per million tokens, like gpt-4o=2.5:10."
        ) from None


def _named(name: str) -> str:
    if not name:
        raise ValueError("no name")
    return name


def _known(model: str, url: str) -> Price:
    """Look a price up in the list that genai-prices brings along; nothing is asked of a network."""
    try:
        from genai_prices import Usage, calc_price
    except ImportError as error:
        raise MissingExtraError(
            f"The price of {model} has to be looked up: pip install 'hybrid-llm[collect]', or --price {model}=IN:OUT."
        ) from error
    some = 1_000  # a million of them at once would be the price of very long prompts
    usages = (Usage(input_tokens=some), Usage(output_tokens=some), Usage(input_tokens=some, cache_read_tokens=some))
    try:
        prices = [float(calc_price(usage, model, provider_api_url=url).total_price) * 1e6 / some for usage in usages]
    except LookupError as error:
        raise ConfigError(
            f"No price of {model} is known at {url}: add --price {model}=IN:OUT, dollars per million tokens."
        ) from error
    return Price(*prices)
