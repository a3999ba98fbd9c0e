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

    Raises:
        ConfigError: One is negative or no number.
    """

    input: float
    output: float

    def __post_init__(self) -> None:
        """Check that these are prices."""
        if not (0 <= self.input < float("inf") and 0 <= self.output < float("inf")):
            raise ConfigError(f"A price of {self.input}:{self.output} dollars per million tokens makes no sense.")

    def of(self, input_tokens: int, output_tokens: int) -> float:
        """Return what a call costs, in dollars.

        Example:
            >>> Price(2.5, 10).of(1_000_000, 100_000)
            3.5
        """
        return (self.input * input_tokens + self.output * output_tokens) / 1e6


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
    try:
        given, written = (
            calc_price(Usage(input_tokens=read, output_tokens=wrote), model, provider_api_url=url).total_price
            for read, wrote in ((some, 0), (0, some))
        )
    except LookupError as error:
        raise ConfigError(
            f"No price of {model} is known at {url}: add --price {model}=IN:OUT, dollars per million tokens."
        ) from error
    return Price(float(given) * 1e6 / some, float(written) * 1e6 / some)
