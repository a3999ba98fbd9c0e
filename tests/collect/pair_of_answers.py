"""A pair folder with answers, and a judge made of a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hybrid_llm.collect import AskSettings, ModelName, PairFolder, Reply, Setup
from hybrid_llm.table import Prompt

SMALL, LARGE = ModelName.read("ollama:little"), ModelName.read("openai:big")
SETUP = Setup(SMALL, LARGE)
JUDGE = ModelName.read("openai:solomon@http://127.0.0.1:9/v1")

QUESTIONS = (
    ("What is 2+2?", ["4"], "It is 4.", "4"),
    ("What is 3*3?", ["9"], "It is 8.", "9"),
    ("Name a prime.", ["7"], "I do not know", "7 is one."),
)
"""Query, references, small's answer, large's."""


def pair_folder(
    path: Path,
    questions: Sequence[tuple[str, list[str], str | None, str | None]] = QUESTIONS,
    fields: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Make a pair folder; an answer of None is an error."""
    with PairFolder(path) as folder:
        folder.begin(SETUP)
        beside = fields or [{}] * len(questions)
        folder.add_prompts(
            Prompt(f"line {i}", query, more, ({"role": "user", "content": query},), tuple(references))
            for i, ((query, references, _, _), more) in enumerate(zip(questions, beside, strict=True))
        )
        for prompt, (_, _, small, large) in zip(folder.prompts(), questions, strict=True):
            for model, text in ((SMALL, small), (LARGE, large)):
                folder.store(SETUP, prompt.id, model, 0, "it was down" if text is None else Reply(text))
    return path


class FakeJudge:
    """A judge that answers by a function of the question; it counts what it was asked."""

    model = JUDGE

    def __init__(self, answer: Callable[[str], str]) -> None:
        self.answer, self.asked = answer, list[str]()

    async def ask(self, messages: Any, settings: AskSettings) -> Reply:
        (message,) = messages
        self.asked.append(message["content"])
        return Reply(self.answer(message["content"]), input_tokens=1000, output_tokens=10)

    async def close(self) -> None:
        """Hold nothing."""
