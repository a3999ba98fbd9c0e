"""Calls whose answers may not be shown: muted, asked for log-probabilities, and told to the trace afterwards.

The pair's own run is the only one while an answer is held back. A call that was not shown becomes a child run of it,
so that whoever counts tokens counts them; it is tagged ``nostream``, and says nothing word by word.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    BaseCallbackHandler,
    BaseCallbackManager,
    CallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.runnables import RunnableConfig

from hybrid_llm.decision import KEY, Decision
from hybrid_llm.dispatch import Decided, says_why, second_try, status_of
from langchain_hybrid import _calls
from langchain_hybrid._answers import classes_of
from langchain_hybrid._history import safe_history
from langchain_hybrid._private import callbacks_of
from langchain_hybrid._seen import asking_for_logprobs, joined, streams_without_logprobs, without_logprobs
from langchain_hybrid._trace import First, put_first

if TYPE_CHECKING:
    from hybrid_llm.dispatch import Pair

NOT_STREAMED: Final = "nostream"
"""The tag by which LangGraph leaves a run out of what it streams."""
REFUSED: Final = ("small", "logprobs")
"""Noted in a pair's state once small has refused to be asked for log-probabilities."""
BAD_REQUEST: Final = 400
_OLLAMA: Final = ("langchain_ollama", "ChatOllama")
Settings = Mapping[str, Any]


class RunBelow(First):
    """Where in a trace the runs stand that come below the pair's own, which its inner methods are not told of.

    Args:
        manager: The callbacks of the pair's run.
        own: Those that the pair itself was made with, which are to hear of all its calls.
    """

    def __init__(self, manager: BaseCallbackManager, own: list[BaseCallbackHandler]) -> None:
        self.inheritable_handlers = [*manager.inheritable_handlers, *own]
        self.inheritable_tags = list(manager.inheritable_tags)
        self.inheritable_metadata = dict(manager.inheritable_metadata)
        self.run_id: UUID | None = manager.parent_run_id

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: UUID, **_: Any) -> None:
        self.run_id = run_id


@dataclass(frozen=True, slots=True)
class DecidedHere(Decided):
    """A decided request whose run has begun.

    Args:
        run: Where the runs of calls that are not shown stand; ``None`` where nobody is told of runs.
    """

    run: RunBelow | None = None


def begun(
    config: RunnableConfig,
    decided: Decided,
    kind: type[CallbackManager] | type[AsyncCallbackManager],
    pair: BaseChatModel,
) -> tuple[RunnableConfig, Decided]:
    """Return a config and a decided request, tied to each other where an answer will be held back."""
    if not decided.decision.held:
        return config, decided
    manager, own = kind.configure(config.get("callbacks")), callbacks_of(pair)
    if not (manager.handlers or own):
        return config, decided
    run = RunBelow(manager, [handler for handler in own if handler not in manager.handlers])
    put_first(manager, [run], inherit=False)
    here = DecidedHere(decided.request, decided.decision, decided.seconds, decided.admitted, run)
    return {**config, "callbacks": manager}, here


class HeldCall:
    """The call of small whose answer is held back, and that of the checker.

    Args:
        pair: The core's pair.
        messages: The conversation.
        checker: The model that small's answer is compared with, if there is one.
        stop: The stop words.
        decided: The request.
        run: The run of the pair that this one is an arm of, where its stream is one of that run's.
    """

    def __init__(
        self,
        pair: Pair,
        messages: list[BaseMessage],
        checker: BaseChatModel | None,
        stop: list[str] | None,
        decided: Decided,
        run: Any = None,
    ) -> None:
        self._pair = pair
        self._below = decided.run if isinstance(decided, DecidedHere) else run
        self._messages = messages
        self._checker = checker
        self._stop = stop
        self._added = self._streams = False
        self._done: list[tuple[str, BaseChatModel, Any]] = []

    # small

    def generate(
        self, arm: BaseChatModel, messages: list[BaseMessage], stop: list[str] | None, _: Any, settings: Settings
    ) -> ChatResult:
        """Return small's whole answer."""
        result: ChatResult = self._tried(lambda more: _calls.generate(arm, messages, stop, None, more), arm, settings)
        self._done.append(("small", arm, result))
        return result

    async def agenerate(
        self, arm: BaseChatModel, messages: list[BaseMessage], stop: list[str] | None, _: Any, settings: Settings
    ) -> ChatResult:
        """Do what :meth:`generate` does."""
        result: ChatResult = await self._atried(
            lambda more: _calls.agenerate(arm, messages, stop, None, more), arm, settings
        )
        self._done.append(("small", arm, result))
        return result

    def stream(
        self, arm: BaseChatModel, messages: list[BaseMessage], stop: list[str] | None, _: Any, settings: Settings
    ) -> Iterator[ChatGenerationChunk]:
        """Yield the chunks of small's answer; the whole one, where its server cannot say more in a stream."""
        self._streams = True
        if streams_without_logprobs(arm, settings):
            yield _calls.one_chunk(self.generate(arm, messages, stop, None, settings))
            return

        def begin(more: Settings) -> tuple[list[ChatGenerationChunk], Iterator[ChatGenerationChunk]]:
            chunks = _calls.stream(arm, messages, stop, None, more)
            return [chunk for chunk in [next(chunks, None)] if chunk is not None], chunks

        said, rest = self._tried(begin, arm, settings)
        yield from said
        for chunk in rest:
            said.append(chunk)
            yield chunk
        if said:
            self._done.append(("small", arm, said))

    async def astream(
        self, arm: BaseChatModel, messages: list[BaseMessage], stop: list[str] | None, _: Any, settings: Settings
    ) -> AsyncIterator[ChatGenerationChunk]:
        """Do what :meth:`stream` does."""
        self._streams = True
        if streams_without_logprobs(arm, settings):
            yield _calls.one_chunk(await self.agenerate(arm, messages, stop, None, settings))
            return

        async def begin(more: Settings) -> tuple[list[ChatGenerationChunk], Any]:
            chunks = _calls.astream(arm, messages, stop, None, more)
            return [chunk for chunk in [await anext(chunks, None)] if chunk is not None], chunks

        said, rest = await self._atried(begin, arm, settings)
        async with aclosing(rest):
            for chunk in said:
                yield chunk
            async for chunk in rest:
                said.append(chunk)
                yield chunk
        if said:
            self._done.append(("small", arm, said))

    def _tried(self, ask: Callable[[Settings], Any], arm: BaseChatModel, settings: Settings) -> Any:
        """Ask with what a look wants to know, and once without it where the server refuses that."""
        more = self._more(arm, settings)
        if more is None:
            return ask(settings)
        try:
            result = ask(more)
        except Exception as error:
            if status_of(error) != BAD_REQUEST:
                raise
            with second_try():
                result = ask(settings)
            if says_why(error):
                self._pair.state.left_out.add(REFUSED)
        else:
            self._added = True
        return result

    async def _atried(self, ask: Callable[[Settings], Awaitable[Any]], arm: BaseChatModel, settings: Settings) -> Any:
        more = self._more(arm, settings)
        if more is None:
            return await ask(settings)
        try:
            result = await ask(more)
        except Exception as error:
            if status_of(error) != BAD_REQUEST:
                raise
            with second_try():
                result = await ask(settings)
            if says_why(error):
                self._pair.state.left_out.add(REFUSED)
        else:
            self._added = True
        return result

    def _more(self, arm: BaseChatModel, settings: Settings) -> dict[str, Any] | None:
        look = self._pair.look
        if look is None or not look.reads_logprobs or REFUSED in self._pair.state.left_out:
            return None
        return asking_for_logprobs(arm, settings)

    # the checker

    @property
    def check(self) -> Callable[[Decision], ChatResult] | None:
        """What asks the checker; ``None`` where there is none."""
        return self._check if self._checker is not None else None

    @property
    def acheck(self) -> Callable[[Decision], Awaitable[ChatResult]] | None:
        """What asks the checker in an event loop."""
        return self._acheck if self._checker is not None else None

    def _check(self, _: Decision) -> ChatResult:
        assert self._checker is not None
        messages = safe_history(self._messages, self._checker)
        result = _calls.generate(self._checker, messages, self._stop, None, {})
        self._done.append(("checker", self._checker, result))
        return result

    async def _acheck(self, _: Decision) -> ChatResult:
        assert self._checker is not None
        messages = safe_history(self._messages, self._checker)
        result = await _calls.agenerate(self._checker, messages, self._stop, None, {})
        self._done.append(("checker", self._checker, result))
        return result

    # what comes of them

    def shown(self, value: Any, decision: Decision) -> Any:
        """Return an answer, or a chunk, as the caller asked for it."""
        return without_logprobs(value) if self._added and decision.route == "small" else value

    def tell(self, decision: Decision | None, run: CallbackManagerForLLMRun | None = None) -> None:
        """Add a run to the trace for each call that was not shown; replay what a model that streams everything kept.

        Args:
            decision: The one that came true; ``None`` after an error.
            run: That of the pair, where it is known.
        """
        if run is not None:
            for token in self._replayed(decision):
                run.on_llm_new_token(str(token.message.text), chunk=token)
        below = self._below or run
        for name, model, answer in self._not_shown(decision) if below is not None else ():
            manager = CallbackManager(**_below(below, name, model))
            (child,) = manager.on_chat_model_start(*_start(model, self._messages), **_params(model))
            child.on_llm_end(_ended(answer))

    async def atell(self, decision: Decision | None, run: AsyncCallbackManagerForLLMRun | None = None) -> None:
        """Do what :meth:`tell` does."""
        if run is not None:
            for token in self._replayed(decision):
                await run.on_llm_new_token(str(token.message.text), chunk=token)
        below = self._below or run
        for name, model, answer in self._not_shown(decision) if below is not None else ():
            manager = AsyncCallbackManager(**_below(below, name, model))
            (child,) = await manager.on_chat_model_start(*_start(model, self._messages), **_params(model))
            await child.on_llm_end(_ended(answer))

    def _replayed(self, decision: Decision | None) -> list[ChatGenerationChunk]:
        """Return what Ollama's class would have told word by word, in a call that is not streamed, in one piece."""
        if decision is None or decision.route != "small":
            return []
        return [
            _calls.one_chunk(without_logprobs(answer))
            for name, model, answer in self._done
            if name == "small" and isinstance(answer, ChatResult) and _OLLAMA in classes_of(model) and not self._streams
        ]

    def _not_shown(self, decision: Decision | None) -> list[tuple[str, BaseChatModel, Any]]:
        if decision is not None and decision.shadow is not None:  # asked behind this run, if at all
            return []
        small_is_shown = decision is not None and decision.route == "small"
        done, self._done = self._done, []
        return [call for call in done if not (small_is_shown and call[0] == "small")]


def _below(run: Any, name: str, model: BaseChatModel) -> dict[str, Any]:
    """Return the arguments of a callback manager whose runs stand below another one."""
    about = model._get_ls_params()
    return {
        "handlers": list(run.inheritable_handlers),
        "inheritable_handlers": list(run.inheritable_handlers),
        "parent_run_id": run.run_id,
        "tags": [*run.inheritable_tags, f"route:{name}", NOT_STREAMED],
        "inheritable_tags": list(run.inheritable_tags),
        "metadata": {**{key: said for key, said in run.inheritable_metadata.items() if key != KEY}, **about},
        "inheritable_metadata": dict(run.inheritable_metadata),
    }


def _start(model: BaseChatModel, messages: list[BaseMessage]) -> tuple[dict[str, Any], list[list[BaseMessage]]]:
    return model._serialized, [messages]


def _params(model: BaseChatModel) -> dict[str, Any]:
    return {"invocation_params": model._get_invocation_params(), "options": {}, "name": model.get_name()}


def _ended(answer: Any) -> LLMResult:
    """Return how a run ends with an answer: a whole one, or the chunks of one."""
    answer = without_logprobs(joined(answer) if isinstance(answer, list) else answer)
    generation = answer.generations[0] if isinstance(answer, ChatResult) else answer
    output = answer.llm_output if isinstance(answer, ChatResult) else None
    metadata = {**(output or {}), **(generation.generation_info or {}), **generation.message.response_metadata}
    message = generation.message.model_copy(update={"response_metadata": metadata})
    return LLMResult(generations=[[ChatGeneration(message=message, generation_info=generation.generation_info)]])
