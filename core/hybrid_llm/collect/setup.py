"""Whom a pair folder asks, and how: what ``run.json`` says, and which changes of it make no sense."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from hybrid_llm.collect.models import AskSettings, ModelName
from hybrid_llm.errors import ConfigError, PairFolderError

VERSION: Final = 1
"""Of the pair folder; another one is refused."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Which models a folder asks, and how; kept in ``run.json``.

    Args:
        small: The small model.
        large: The large one.
        checkers: Further local models.
        settings: How all of them are asked.
        samples: Answers of each model to each prompt.

    Raises:
        ConfigError: Two models have one name, or there is to be no sample.
    """

    small: ModelName
    large: ModelName
    checkers: tuple[ModelName, ...] = ()
    settings: AskSettings = field(default_factory=AskSettings)
    samples: int = 1

    def __post_init__(self) -> None:
        """Check that the models can be told apart in a table."""
        names = [model.name for model in self.models]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ConfigError(
                f"Two of the models are called {twice!r}; small, large and checkers must be three models."
            )
        if self.samples < 1:
            raise ConfigError(f"samples={self.samples} must be at least 1.")

    @property
    def models(self) -> tuple[ModelName, ...]:
        """All models that are asked."""
        return (self.small, self.large, *self.checkers)

    @property
    def key(self) -> str:
        """A name that changes with the settings: answers given under other ones are no answers to this setup."""
        return hashlib.sha256(json.dumps(self.settings.as_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "version": VERSION,
            "small": str(self.small),
            "large": str(self.large),
            "checkers": [str(model) for model in self.checkers],
            "settings": self.settings.as_dict(),
            "samples": self.samples,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Setup:
        """Read what :meth:`as_dict` wrote."""
        return cls(
            ModelName.read(data["small"]),
            ModelName.read(data["large"]),
            tuple(map(ModelName.read, data["checkers"])),
            AskSettings(**data["settings"]),
            int(data["samples"]),
        )


def check_same(path: Path, known: Setup, setup: Setup, *, force: bool) -> None:
    """Refuse another pair, and changes that nobody asked for.

    Raises:
        PairFolderError: It is another pair, or another setup without ``force``.
    """
    pairs = [[(model.kind, model.name) for model in (one.small, one.large)] for one in (known, setup)]
    if pairs[0] != pairs[1]:
        raise PairFolderError(
            f"{path} holds answers of {known.small} and {known.large}; choose another --out for this pair."
        )
    if force:
        return
    if (known.small, known.large) != (setup.small, setup.large):
        raise PairFolderError(
            f"{path} holds answers of {known.small} and {known.large}; add --force if only the address is new."
        )
    if known.settings != setup.settings:
        raise PairFolderError(
            f"{path} was asked with {_changed(known.settings, setup.settings)}; add --force to ask "
            "everything again, or use the same settings."
        )


def _changed(old: AskSettings, new: AskSettings) -> str:
    before, after = asdict(old), asdict(new)
    return ", ".join(f"{name}={before[name]!r} (now {after[name]!r})" for name in before if before[name] != after[name])
