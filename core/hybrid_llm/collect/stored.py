"""What a pair folder gives back, and the rows in which it keeps prompts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hybrid_llm.collect.models import Reply
from hybrid_llm.table import PARALLEL, Prompt, QualityTable

_ASKED: Final = frozenset({"query", "prompt", "messages", "reference", "quality", *PARALLEL})
"""Fields that stand elsewhere, and what others once answered to the prompts."""


@dataclass(frozen=True, slots=True)
class StoredPrompt:
    """A prompt of the folder.

    Args:
        id: A hash of what is sent.
        query: The text that is scored.
        messages: What is sent, without the system prompt of the settings.
        references: Accepted answers; empty where there are none.
        count: How often it was in the list.
        fields: What else stood in its row: task, split, ids.
    """

    id: str
    query: str
    messages: tuple[Mapping[str, Any], ...]
    references: tuple[str, ...] = ()
    count: int = 1
    fields: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer of the folder; one with an error has no text and is asked for again.

    Args:
        id: Its number.
        prompt: The prompt's id.
        model: The model's name in tables.
        sample: Which of several answers to the same prompt, from 0.
        reply: What was answered.
        cost_usd: What it cost.
        error: What went wrong, if anything.
    """

    id: int
    prompt: str
    model: str
    sample: int
    reply: Reply
    cost_usd: float = 0.0
    error: str | None = None


def prompt_row(place: int, prompt: Prompt) -> Sequence[Any]:
    """Return the row of a prompt; its id is a hash of what is sent."""
    messages = json.dumps(list(prompt.messages), sort_keys=True)
    digest = hashlib.sha256(messages.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    fields = json.dumps({name: value for name, value in prompt.fields.items() if name not in _ASKED}, default=str)
    return digest, place, storable(prompt.query), messages, json.dumps(list(prompt.references)), prompt.times, fields


def storable(text: str) -> str:
    """Return a text that a database can hold: half of a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def check_table(prompts: Iterable[StoredPrompt]) -> None:
    """Make a quality table of prompts with made-up scores, since a table that cannot be made costs money later."""
    QualityTable.from_rows(
        (
            {
                **{name: (prompt.fields or {}).get(name) for name in ("split", "task", "stem_key")},
                "id": prompt.id,
                "query": prompt.query,
                "quality": {"any": 1},
            }
            for prompt in prompts
        ),
        source="prompts",
    )
