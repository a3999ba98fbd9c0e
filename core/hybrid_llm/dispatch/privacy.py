"""Private requests: which ones they are, and that small answers them or nobody does.

A request is private when its pair is, when the caller says so, when it is made inside ``with private():``, when the
caller's function finds something in any of its texts, or when its history holds an answer to a private one. It is
refused, before any arm is called, where small cannot serve it or is not local. When small is down the caller is told,
without a word of what was asked: not even a chained error keeps one.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Final, NoReturn, TypeVar

from hybrid_llm.decision import Decision, Reason, Route
from hybrid_llm.dispatch.outage import is_outage, reason_of
from hybrid_llm.dispatch.place import Local, host_of
from hybrid_llm.dispatch.request import Capabilities, Request
from hybrid_llm.dispatch.settings import model_named
from hybrid_llm.errors import ConfigError, PrivateError, shown

T = TypeVar("T")
Judges = Callable[[str], bool]
"""Says of a text whether it must not leave the machine."""
HOSTED: Final = frozenset(
    {
        *("langfuse", "wandb", "comet_ml", "comet_llm", "opik", "mlflow", "traceloop", "phoenix", "openinference"),
        *("opentelemetry", "deepeval", "literalai", "agentops", "weave"),
    }
)
"""Packages of handlers that send what they hear of a framework to a service."""
_HERE: Final[ContextVar[bool]] = ContextVar("hybrid_llm_private", default=False)
_LACKS: Final[Mapping[Reason, str]] = {
    "modality": "holds an image, a file or a sound that small does not read",
    "tools": "comes with tools that small does not call, or cannot be made to call",
    "structured_output": "asks for a schema that small does not follow",
    "context": "is longer than small reads",
}
"""What a private request asks of small in vain, in words."""


@contextmanager
def private() -> Iterator[None]:
    """Make every request inside the block a private one: small answers it on this machine, or nobody does.

    The block holds for all pairs and in everything that is started inside: tasks, executors and tools of LangChain's
    and LlamaIndex's agents, which run in a copy of its context. A thread of your own starts without one: give it
    ``threading.Thread(target=contextvars.copy_context().run, args=(work,))``. A stream belongs to the block in which
    it is read, so read it inside.

    Example:
        >>> from hybrid_llm import Pair
        >>> from hybrid_llm.dispatch import Place
        >>> from hybrid_llm.testing import FixedScorer
        >>> pair = Pair(FixedScorer(0.1), threshold=0.5, small=Capabilities(place=Place()))
        >>> with private():
        ...     pair.call(Request("My salary is ..."), lambda decision: f"from {decision.route}")[0]
        'from small'
    """
    token = _HERE.set(True)
    try:
        yield
    finally:
        _HERE.reset(token)


def refuse_other_model(decision: Decision, settings: Mapping[str, Any], own: str | None) -> None:
    """Refuse a private call that names another model than the arm's: nobody has looked where that one runs.

    Args:
        decision: Where the request goes.
        settings: The keyword arguments of the call.
        own: The model that the arm asks for where no call names one; ``None`` where nothing tells.

    Raises:
        PrivateError: It does.
    """
    named = model_named(settings)
    if decision.private and named is not None and named != own:
        raise PrivateError(
            f"model={shown(named)} of this call is not {shown(own) if own else 'the model of small'}, to which a "
            "private request goes: leave it out, or pass that model as small=."
        )


def checked_private(value: object) -> bool | Judges:
    """Return what ``private=`` may be.

    Raises:
        ConfigError: It is neither a truth value nor a function of a text.
    """
    if isinstance(value, bool):
        return value
    if not callable(value):
        raise ConfigError(f"private={shown(value)} must be True, False, or a function of a text that returns one.")
    if inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(getattr(value, "__call__", None)):  # noqa: B004
        raise ConfigError("private= takes a plain function: what a coroutine function returns would always be true.")
    return value


class Privacy:
    """Finds the private ones among the requests of a pair, and refuses those that nobody here may answer.

    Args:
        private: Whether all are, or the caller's function.
        local: Whether small is local.
        trace: Whether a hosted service that the framework sends texts to is the caller's will.
        serves: Returns what an arm can serve.
    """

    def __init__(
        self, private: bool | Judges, local: Local, *, trace: bool, serves: Callable[[Route], Capabilities]
    ) -> None:
        self._all = private is True
        self._judge = private if callable(private) else None
        self._local = local
        self._trace = trace
        self._serves = serves

    def ready(self, requests: Sequence[Request], force: Route | None) -> list[Request]:
        """Return the requests with the private ones marked, each of which small may answer.

        Raises:
            PrivateError: One may be answered by nobody, or the caller's function failed.
        """
        here = self._all or _HERE.get()
        return [self._ready(request, here, force) for request in requests]

    async def aready(self, requests: Sequence[Request], force: Route | None) -> list[Request]:
        """Do what :meth:`ready` does without blocking the event loop."""
        if self._judge is None and not (self._all or _HERE.get() or any(map(_is_known, requests))):
            return list(requests)
        return await asyncio.to_thread(self.ready, requests, force)

    def _ready(self, request: Request, here: bool, force: Route | None) -> Request:
        if not (here or _is_known(request) or self._finds(request)):
            return request if self._judge is None else replace(request, said=tuple)  # judged once
        self._check(request, force)
        return request if request.private else replace(request, private=True)

    def _finds(self, request: Request) -> bool:
        """Return whether the caller's function finds something in any text of a request."""
        if self._judge is None:
            return False
        texts = request.said() if request.said is not None else (request.text, *request.turns)
        try:
            return any(self._judge(text) for text in dict.fromkeys(texts) if text)
        except Exception as error:  # noqa: BLE001 - whatever it is, it may hold the text
            failed = type(error).__name__
        return _refuse(f"The function given as private= failed ({failed}), so the request was sent nowhere.")

    def _check(self, request: Request, force: Route | None) -> None:
        if "large" in (force, request.route):
            way = "route" if request.route == "large" else "force"
            raise PrivateError(
                f"{way}='large' cannot be followed for a private request, which never leaves this machine: leave out "
                f"{way}=, or ask without what makes it private."
            )
        small = self._serves("small")
        lacks = small.missing(request)
        if lacks is not None:
            raise PrivateError(
                f"This private request {_LACKS[lacks]} ({lacks}), and large may not answer it. Take a small model "
                "that can, or leave out what it cannot serve."
            )
        traced = request.tracer() if request.tracer and not self._trace else None
        if traced and not self._local.trusts(host_of(traced)):
            raise PrivateError(
                f"This request is private, and the framework sends its text to {traced}. Switch that off for it, or "
                "allow it where you mean it: trace_private=True."
            )
        self._check_local(small)

    def _check_local(self, small: Capabilities) -> None:
        try:
            self._local.check(small.place, small.model)
            return
        except PrivateError:
            raise
        except Exception as error:
            if not is_outage(error):
                raise
            failed = reason_of(error, small.model or "small")
        _refuse(_is_down(failed))


def private_decision(router_id: str) -> Decision:
    """Return the decision of every private request."""
    return Decision("small", reason="private", private=True, router_id=router_id)


@contextmanager
def alone(telling: AbstractContextManager[T], model: str) -> Iterator[T]:
    """Say that small is down where it is, for a request that nobody else may answer.

    Args:
        telling: Tells the observers of the request.
        model: The name of small.

    Raises:
        PrivateError: Small is down; the error of its client is not in it, since that may hold the text.
    """
    try:
        with telling as ask:
            yield ask
            return
    except Exception as error:
        if not is_outage(error):
            raise
        failed = reason_of(error, model)
    _refuse(_is_down(failed))


def _is_down(failed: str) -> str:
    return f"small is down: {failed}. This request is private, so nobody else answers it: start small, and ask again."


def _is_known(request: Request) -> bool:
    """Return whether it is plain that a request is private, without a look at its texts."""
    return request.private or (request.previous is not None and request.previous.private)


def _refuse(message: str) -> NoReturn:
    """Raise an error that no other one is chained to."""
    try:
        raise PrivateError(message)
    except PrivateError as error:
        error.__context__ = None  # the error being handled, which may hold the text
        raise
