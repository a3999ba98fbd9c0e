"""How a trace shows where a request went: a tag and metadata at the start of the run, the message at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from langchain_core.callbacks import (
    AsyncCallbackManagerForChainRun,
    BaseCallbackHandler,
    BaseCallbackManager,
    CallbackManagerForChainRun,
    Callbacks,
)
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatResult, LLMResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import patch_config

from hybrid_llm.decision import KEY, Decision

if TYPE_CHECKING:
    from hybrid_llm.dispatch import Attempts

Value = TypeVar("Value")
Run = CallbackManagerForChainRun | AsyncCallbackManagerForChainRun


def tags_and_metadata(decision: Decision) -> tuple[list[str], dict[str, Any]]:
    """Return what the run of an arm is marked with: ``route:small`` or ``route:large``, and the whole decision.

    Where small's answer is held back nobody knows yet who will answer, and the mark is ``route:look``.
    """
    return [f"route:{'look' if decision.held else decision.route}"], {KEY: decision.as_dict()}


def traced(config: RunnableConfig, decision: Decision, callbacks: Callbacks = None) -> RunnableConfig:
    """Return a config whose run, and the runs below it, are marked with a decision.

    Args:
        config: The config; not changed.
        decision: Where the request goes.
        callbacks: Take the place of the config's own.
    """
    tags, metadata = tags_and_metadata(decision)
    given = config.get("tags") or []  # a model that does not stream is invoked with what its stream was marked with
    return {
        **config,
        "callbacks": callbacks if callbacks is not None else config.get("callbacks"),
        "tags": [*given, *(tag for tag in tags if tag not in given)],
        "metadata": {**(config.get("metadata") or {}), **metadata},
    }


def child_config(
    config: RunnableConfig,
    run: Run,
    decision: Decision,
    *,
    inherit: bool = False,
) -> RunnableConfig:
    """Return the config of an arm's run, which is marked with the decision.

    Args:
        config: The config of the run above.
        run: That run.
        decision: Where the request goes.
        inherit: Whether the runs below the arm's are marked too: those of a chain around one model.
    """
    tags, metadata = tags_and_metadata(decision)
    callbacks = run.get_child()
    callbacks.add_tags(tags, inherit=inherit)
    callbacks.add_metadata(metadata, inherit=inherit)
    if callbacks.handlers:
        put_first(callbacks, [ShowsDecision(decision)], inherit=inherit)
    return patch_config(config, callbacks=callbacks)


def put_first(callbacks: BaseCallbackManager, handlers: Sequence[BaseCallbackHandler], *, inherit: bool) -> None:
    """Put handlers before all others, so that these see what comes out of the first ones."""
    callbacks.handlers[:0] = handlers
    if inherit:
        callbacks.inheritable_handlers[:0] = handlers


class First(BaseCallbackHandler):
    """A handler that is called before the others.

    LangChain merges the handlers of two configs as sets; those hand out a hash of 0 first.

    Attributes:
        behind: Whether it is there in shadow too, where the run above has ended and the others hear nothing.
    """

    run_inline = True
    behind = False

    def __hash__(self) -> int:
        """Return 0."""
        return 0

    def __eq__(self, other: object) -> bool:
        """Return whether this is the same handler."""
        return self is other


class ShowsDecision(First):
    """Puts the decision on the answer that the other handlers are shown at the end of an arm's run."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        # copies: the arm's own cache may hold these very messages
        response.generations[:] = [
            [
                one.model_copy(update={"message": with_decision(one.message, self._decision)})
                if hasattr(one, "message")
                else one
                for one in cast("list[Any]", generations)
            ]
            for generations in response.generations
        ]


def with_decision(output: Value, decision: Decision, attempts: Attempts | None = None) -> Value:
    """Return a copy of a chat message with the decision, and with the calls that were made for it; others as they are.

    Args:
        output: A chat message, or the first chunk of one; also the raw message beside an object that was parsed.
        decision: The decision.
        attempts: The calls; ``None`` for a stream, whose calls are known at its end.
    """
    record = decision.as_dict() if attempts is None else {**decision.as_dict(), **attempts.noted()}
    if isinstance(output, Mapping) and isinstance(output.get("raw"), AIMessage):
        return type(output)({**output, "raw": _noted(output["raw"], record)})  # type: ignore[call-arg]
    return cast("Value", _noted(output, record)) if isinstance(output, AIMessage) else output


def without_attempts(message: Value) -> Value:
    """Return a copy of a chat message without the calls that were made for it; any other as it is."""
    record = message.response_metadata.get(KEY) if isinstance(message, AIMessage) else None
    if not isinstance(record, Mapping) or "attempts" not in record:
        return message
    kept = {key: said for key, said in record.items() if key != "attempts"}
    return cast("Value", _noted(cast("AIMessage", message), kept))


def is_of_a_cache(result: ChatResult) -> bool:
    """Return whether a pair's answer came from LangChain's cache: :func:`without_attempts` has been there."""
    record = result.generations[0].message.response_metadata.get(KEY) if result.generations else None
    return isinstance(record, Mapping) and "attempts" not in record


class MarksStream(Generic[Value]):
    """Notes on the first chunk of a stream the decision, and on its last one what was called for it.

    What is no chat message goes through as it is. A chunk that says it is the last is held back until the stream has
    ended, since only then the calls are known.

    Args:
        attempts: The calls.
    """

    def __init__(self, attempts: Attempts) -> None:
        self.attempts = attempts
        self.seen: Value | None = None
        self.held: Value | None = None

    def message(self, chunk: Value) -> Any:
        """Return the message of a chunk, which here is the chunk."""
        return chunk

    def with_message(self, chunk: Value, message: Any) -> Value:
        """Return a copy of a chunk with another message."""
        return cast("Value", message)

    def of(self, chunk: Value, decision: Decision) -> list[Value]:
        """Return what to yield for a chunk."""
        if self.seen is None:
            chunk = self.with_message(chunk, with_decision(self.message(chunk), decision))
        self.seen = chunk
        before, self.held = [] if self.held is None else [self.held], None
        if getattr(self.message(chunk), "chunk_position", None) == "last":
            self.held = chunk
            return before
        return [*before, chunk]

    def end(self) -> list[Value]:
        """Return the chunk that was held back, if one was."""
        if self.held is None:
            return []
        last = self.message(self.held)
        record = {**last.response_metadata.get(KEY, {}), **self.attempts.noted()}
        return [self.with_message(self.held, _noted(last, record))]


def _noted(message: AIMessage, record: dict[str, Any]) -> AIMessage:
    return message.model_copy(update={"response_metadata": {**message.response_metadata, KEY: record}})
