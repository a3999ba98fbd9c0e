"""What a request asks of an arm, free of any framework, and what an arm can serve."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from hybrid_llm.decision import Decision, Reason, Route
from hybrid_llm.dispatch.place import Place
from hybrid_llm.dispatch.window import Window
from hybrid_llm.level import Level

if TYPE_CHECKING:
    from hybrid_llm.look import Wanted

FOLLOW_UP_WORDS: Final = 6
"""A text of fewer words than this after an answer is a follow-up."""
FUNCTION: Final = "function"
"""The kind of tool that is a function of the user's program; others are built into a provider."""
MEDIA_TYPES: Final = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "audio": "audio",
    "input_audio": "audio",
    "video": "video",
    "file": "file",
    "input_file": "file",
    "document": "file",
}
"""Types of content blocks, in LangChain's form and in those of the providers, and what they hold."""
_LETTERS: Final = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Thai, Lao, Burmese, Khmer, Japanese, Chinese: no spaces between words; and Korean, where few words say much."""
Wakes = Callable[[Callable[[], object]], object]
"""Has a model loaded; calls the function that it is given when there is no use in waiting for it."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a pair of arms, free of any framework.

    Args:
        text: The query: the user's last words, or whatever the caller wants scored.
        turns: The user's earlier texts that were answered, oldest first.
        tokens: An estimate of the tokens of the whole prompt.
        modalities: What it holds besides text: ``"image"``, ``"file"``, ``"audio"``, ``"video"``.
        tools: The kinds of tools that come with it: ``"function"``, or the type of a provider's own.
        forced_tool: Whether the model has to call a tool, or a certain one.
        structured: Whether the answer has to follow a schema.
        level: The level that the caller chose; ``None`` is the policy's.
        route: The route that the caller forces, if any.
        previous: The decision of the turn before, where it is known.
        same_turn: Whether ``previous`` was taken for this very text, and this is a later step of a tool loop.
        trusted: Whether ``previous`` was kept by the program itself, and did not come with the request: then it holds
            whatever requests may choose.
        without_text: Where the request goes when it has no text to score: the framework's own errands.
        method: What the caller's program called, for observers: ``"invoke"``, ``"chat"``.
        wanted: What an answer has to be, for an answer that is held back; the pair's own checks come to it.
        asked: How this call asks small, where it says so itself: ``temperature``, ``max_tokens``, ``think``, the
            ``system`` prompt (``None`` without one), and the ``model``, if it names one. A promise holds for what was
            asked alike.
        private: Whether the caller said so, or a message before it was answered as a private one.
        said: Returns all texts that would leave with it, those of earlier messages too; by default the query and the
            turns are all there is.
        tracer: Returns the address of a hosted service that the framework sends these texts to; ``None`` for none.
        began: The first decision of the conversation, where it is known.

    Example:
        >>> Request("yes, do it", turns=("Book the flight to Lima.",)).is_follow_up
        True
    """

    text: str
    turns: Sequence[str] = ()
    tokens: int = 0
    modalities: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()
    forced_tool: bool = False
    structured: bool = False
    level: Level | None = None
    route: Route | None = None
    previous: Decision | None = None
    same_turn: bool = False
    trusted: bool = False
    without_text: Route = "large"
    method: str = ""
    wanted: Wanted | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)
    private: bool = False
    said: Callable[[], Iterable[str]] | None = None
    tracer: Callable[[], str | None] | None = None
    began: Decision | None = None

    @property
    def is_follow_up(self) -> bool:
        """Whether the text says too little to be scored alone, and there is a turn before."""
        return (len(self.turns) > 0 or self.previous is not None) and is_short(self.text)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an arm can serve; the defaults are for one that nothing is known of.

    Args:
        model: Its name, for warnings and observers; empty when unknown.
        provider: Who serves it, in the framework's word (``"openai"``, ``"ollama"``); empty when unknown.
        context_window: Tokens that it reads; ``None`` when unknown, a window where its server has to be asked.
        modalities: What it reads besides text; ``None`` is anything.
        tools: The kinds of tools that it calls; ``None`` is any.
        forced_tool: Whether it can be made to call a tool.
        structured: Whether it can be made to follow a schema.
        no_logprobs: Why its answers come without log-probabilities, and what to do; empty when nothing is known.
        speaks: Whether an answer of it with nothing to show is a failure: that of a chat model is.
        closes: Whether its answers are known to end with a word on why, so that one without was cut off. Of one model
            that has given one in a stream it is known from then on.
        wake: Has its model loaded in the background, after a call that gave up on it; calls the function it is given
            when that was a failure all the same. ``None`` where that makes no sense.
        place: Where it runs, by which its price is known too; ``None`` when unknown.
        asked: How its own settings ask it, in the words of :attr:`Request.asked`; ``None`` for what is left to its
            server. What is not in it is unknown.
        is_pair: Whether it is a pair of arms itself.
    """

    model: str = field(default="", kw_only=True)
    provider: str = field(default="", kw_only=True)
    no_logprobs: str = field(default="", kw_only=True)
    speaks: bool = field(default=False, kw_only=True)
    closes: bool = field(default=False, kw_only=True)
    wake: Wakes | None = field(default=None, kw_only=True)
    place: Place | None = field(default=None, kw_only=True)
    asked: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    is_pair: bool = field(default=False, kw_only=True)
    context_window: int | Window | None = None
    modalities: frozenset[str] | None = frozenset()
    tools: frozenset[str] | None = frozenset({FUNCTION})
    forced_tool: bool = False
    structured: bool = True

    @property
    def is_one_model(self) -> bool:
        """Whether what holds for one of its answers holds for all: it is no pair, and nothing that may call several."""
        return self.speaks and not self.is_pair

    @classmethod
    def unlimited(cls, model: str = "") -> Capabilities:
        """Return those of an arm to which no gate applies: a chain that does what it likes with its input."""
        return cls(model=model, modalities=None, tools=None, forced_tool=True)

    def missing(self, request: Request) -> Reason | None:
        """Return what the arm lacks for a request, ``None`` when it can serve it."""
        if self.modalities is not None and request.modalities - self.modalities:
            return "modality"
        if self.tools is not None and request.tools - self.tools:
            return "tools"
        if request.forced_tool and not self.forced_tool:
            return "tools"
        if request.structured and not self.structured:
            return "structured_output"
        window = self.context_window(request.tokens) if callable(self.context_window) else self.context_window
        return "context" if window is not None and request.tokens > window else None

    def waits(self, tokens: int) -> bool:
        """Return whether :meth:`missing` has to wait for a server, for a prompt of this many tokens."""
        return callable(self.context_window) and self.context_window.waits(tokens)


def is_short(text: str) -> bool:
    """Return whether a text says too little to be scored alone."""
    words = islice(_word().finditer(text), FOLLOW_UP_WORDS)  # no more of them: a text may be a whole book
    return bool(text.strip()) and sum(1 for _ in words) < FOLLOW_UP_WORDS


@cache
def _word() -> re.Pattern[str]:
    """Return the pattern of a word ("don't" is one), or of one letter of these scripts; milliseconds to compile."""
    return re.compile(rf"[{_LETTERS}]|[^\W{_LETTERS}]+(?:['\u2019][^\W{_LETTERS}]+)*")
