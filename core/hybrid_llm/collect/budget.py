"""What asking costs: an estimate before anything is sent, and a stop that counts the answers in flight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hybrid_llm.collect.models import AskSettings, ModelName
from hybrid_llm.collect.setup import Setup
from hybrid_llm.collect.stored import StoredPrompt
from hybrid_llm.dispatch import MESSAGE_TOKENS, tokens_in
from hybrid_llm.errors import ConfigError
from hybrid_llm.prices import Price, Prices

USUAL: Final = 250
"""Tokens that an answer is taken to have, before one is known."""
ROUGHLY: Final = 2
"""How far an estimate of the tokens of a prompt may be off: what a call costs at most is held against the budget."""


@dataclass
class Budget:
    """Dollars that may be spent, all runs in a folder together.

    Args:
        limit: ``None`` for no limit.
        spent: What was spent so far.

    Raises:
        ConfigError: The limit is negative or no number.
    """

    limit: float | None = None
    spent: float = 0.0
    held: float = field(default=0.0, init=False)
    """What the calls in flight cost at most."""
    in_flight: int = field(default=0, init=False)
    """How many calls that cost something are in flight."""

    def __post_init__(self) -> None:
        """Check the limit."""
        if self.limit is not None and not 0 <= self.limit < float("inf"):
            raise ConfigError(f"--budget {self.limit} must be a number of dollars, 0 or more.")

    def hold(self, most: float) -> bool:
        """Set aside what a call costs at most; return False, and set nothing aside, when that is too much."""
        if self.limit is not None and most > 0 and self.spent + self.held + most > self.limit:
            return False
        self.held += most
        self.in_flight += most > 0
        return True

    def check(self, plans: Sequence[Plan]) -> None:
        """Check that it is enough for the first call that costs something, before anything is asked.

        Raises:
            ConfigError: It is not.
        """
        paid = [plan.most_of(plan.todo[0][0]) for plan in plans if plan.todo]
        first = min(filter(None, paid), default=0.0)
        if self.limit is not None and first and self.spent + first > self.limit:
            before = f", of which ${self.spent:.4g} are spent" if self.spent else ""
            raise ConfigError(
                f"A budget of ${self.limit:g}{before} buys nothing: the next call may cost ${first:.2g}. Give a larger "
                "--budget, or fewer --max-tokens."
            )

    def settle(self, most: float, cost: float) -> None:
        """Count what a call that was held really cost."""
        self.in_flight -= most > 0
        self.held = self.held - most if self.in_flight else 0.0  # sums of small numbers leave crumbs
        self.spent += cost


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to ask of one model.

    Args:
        model: The model.
        price: Its price.
        todo: (prompt, sample) of each call, in the order of the prompts.
        usual: Tokens that its answers are taken to have.
        settings: How it is asked.
    """

    model: ModelName
    price: Price
    todo: tuple[tuple[StoredPrompt, int], ...]
    usual: int
    settings: AskSettings

    @property
    def input_tokens(self) -> int:
        """An estimate of the tokens that are sent."""
        return sum(tokens_of(prompt, self.settings) for prompt, _ in self.todo)

    @property
    def usd(self) -> float:
        """What it will cost, if its answers are as long as is usual."""
        return self.price.of(self.input_tokens, self.usual * len(self.todo))

    @property
    def most_usd(self) -> float:
        """What it costs at most, if every answer is as long as it may be."""
        return sum(self.most_of(prompt) for prompt, _ in self.todo)

    def most_of(self, prompt: StoredPrompt) -> float:
        """Return what one call costs at most, in dollars."""
        return self.price.of(ROUGHLY * tokens_of(prompt, self.settings), self.settings.max_tokens)


def tokens_of(prompt: StoredPrompt, settings: AskSettings) -> int:
    """Estimate the tokens of a prompt as it is sent."""
    texts = [settings.system or "", *(_text(message) for message in prompt.messages)]
    return sum(tokens_in(text) + MESSAGE_TOKENS for text in texts if text)


def too_long(plan: Plan, context: int | None) -> int:
    """Return how many prompts, as far as estimates tell, a model that reads so many tokens would cut."""
    if context is None:
        return 0
    return len({prompt.id for prompt, _ in plan.todo if tokens_of(prompt, plan.settings) > context})


def plans(
    setup: Setup,
    prompts: Sequence[StoredPrompt],
    answered: set[tuple[str, str, int]],
    prices: Prices,
    usual: Mapping[str, int],
) -> list[Plan]:
    """Return what is to be asked of each model: what was not answered before.

    Args:
        setup: Who is asked, and how.
        prompts: The prompts.
        answered: (prompt, model, sample) of what is there.
        prices: The prices.
        usual: {model: tokens of its answers so far}.

    Raises:
        ConfigError: The price of a model is unknown.
    """
    found = []
    for model in setup.models:
        price = prices.of(model.name, model.url, local=model.local)
        missing = [
            (prompt, sample)
            for prompt in prompts
            for sample in range(setup.samples)
            if (prompt.id, model.name, sample) not in answered
        ]
        length = min(usual.get(model.name, USUAL), setup.settings.max_tokens)
        found.append(Plan(model, price, tuple(missing), length, setup.settings))
    return found


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    return content if isinstance(content, str) else str(content or "")
