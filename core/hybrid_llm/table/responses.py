"""What the models answered, one entry for each sampled response: texts, log-probabilities, time, tokens, dollars."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import starmap
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import TableError, shown
from hybrid_llm.table.fields import is_missing, literal_of, text_of, whole_text

LogProbs = NDArray[np.float32]

PARALLEL: Final = ("responses", "answers", "logprobs", "finish", "seconds", "usage", "cost_usd")
"""Fields that hold {model: [entry, ...]}, one entry for each score in ``quality``."""


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """One sampled response of one model to one query; what is not known of it is None.

    Args:
        text: What the model wrote.
        answer: The final answer in it: a number, a choice, a label.
        logprobs: Natural log-probability of each token of the content, a read-only float32 array (tokens,).
        finish: How it ended: ``stop``, ``length``, ``tool_calls``.
        seconds: How long it took.
        input_tokens: Tokens that were read.
        output_tokens: Tokens that were written.
        cost_usd: What it cost, in dollars.
    """

    text: str | None = None
    answer: str | None = None
    logprobs: LogProbs | None = None
    finish: str | None = None
    seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


def responses_of(
    place: str, fields: Mapping[str, Any], quality: Mapping[str, tuple[float, ...]]
) -> dict[str, tuple[Response, ...]]:
    """Return what a row says of the responses of each model, one entry for each of its scores.

    A value that is no list is that of a single response, as in ``quality``; null is none. A model may be answered for
    and not graded.

    Args:
        place: Where the row stands.
        fields: Its fields.
        quality: Its scores.

    Raises:
        TableError: A field holds something else than it should, or not one entry for each score.
    """
    found: dict[str, dict[str, list[Any]]] = {}
    for name in PARALLEL:
        given = fields.get(name)
        if is_missing(given) or (name == "cost_usd" and not isinstance(given, Mapping)):
            continue  # a cost that names no model is that of the row: kept, and not read
        if not isinstance(given, Mapping):
            raise TableError(f"{place}: field '{name}' is {shown(given)}; write it as {{model: [...]}}, or rename it")
        for model, value in given.items():
            text_of(place, name, model)
            if value is not None:
                where = f"{place}: field '{name}' of model {model!r}"
                entries = _entries(where, name, value)
                if any(entry is not None for entry in entries):
                    found.setdefault(model, {})[name] = entries
    return {model: _joined(place, model, lists, quality.get(model)) for model, lists in found.items()}


def _joined(
    place: str, model: str, lists: Mapping[str, list[Any]], scores: tuple[float, ...] | None
) -> tuple[Response, ...]:
    """Turn the fields of one model into its responses."""
    first = next(iter(lists))
    size, measure = (len(lists[first]), f"in '{first}'") if scores is None else (len(scores), "in 'quality'")
    for name, entries in lists.items():
        if len(entries) != size:
            raise TableError(
                f"{place}: field '{name}' of model {model!r} has {len(entries)} entries where there are {size} "
                f"{measure}; give one for each sampled response, null where there is none"
            )
    columns = [lists.get(name, [None] * size) for name in PARALLEL]
    return tuple(starmap(_response, zip(*columns, strict=True)))


def _response(
    text: Any, answer: Any, logprobs: Any, finish: Any, seconds: Any, usage: tuple[Any, Any] | None, cost: Any
) -> Response:
    """Put the entries of one response together, in the order of :data:`PARALLEL`."""
    read, written = usage or (None, None)
    return Response(text, answer, logprobs, finish, seconds, read, written, cost)


def _entries(where: str, name: str, value: Any) -> list[Any]:
    """Check the entries of one model in one field."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    entries = list(value) if isinstance(value, (list, tuple)) else [value]
    if name == "logprobs" and entries and all(isinstance(entry, (int, float)) for entry in entries):
        entries = [entries]  # the tokens of a single response
    if not entries:
        raise TableError(f"{where} is an empty list; give one entry for each sampled response or leave the model out")
    check = _CHECKS[name]
    return [None if is_missing(entry) else check(where, entry) for entry in entries]


def _text(where: str, entry: Any) -> str:
    """Return a text, which may be empty: a model may say nothing."""
    if not isinstance(entry, str):
        raise TableError(f"{where} has {shown(entry)}, which is not text")
    return whole_text(where, entry)


def _answer(where: str, entry: Any) -> str:
    answer = literal_of(entry)
    if answer is None:
        raise TableError(f"{where} has {shown(entry)}, which is no final answer; write it as text")
    return whole_text(where, answer)


def _logprobs(where: str, entry: Any) -> LogProbs:
    try:
        array = np.array(entry, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        array = np.array(np.nan)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise TableError(f"{where} has {shown(entry)}, which is no list of finite numbers, one for each token")
    if array.size and array.max() > _ROUNDING:
        raise TableError(f"{where} has {array.max():g}; a log-probability is at most 0")
    array.flags.writeable = False
    return array


_ROUNDING: Final = 1e-3
"""Servers that compute in half precision give a little more than 0 for a certain token."""


_ENDLESS: Final = 1e300
"""No amount: a whole number of JSON may be beyond what a float holds."""


def _finish(where: str, entry: Any) -> str:
    return sys.intern(_text(where, entry))


def _amount(where: str, entry: Any) -> float:
    if isinstance(entry, bool) or not isinstance(entry, (int, float)) or not 0 <= entry < _ENDLESS:
        raise TableError(f"{where} has {shown(entry)}, which is not a number from 0 on")
    return float(entry)


def _usage(where: str, entry: Any) -> tuple[int | None, int | None] | None:
    if not isinstance(entry, Mapping):
        raise TableError(f'{where} has {shown(entry)}; write it as {{"input": tokens, "output": tokens}}')
    counts = _tokens(where, entry.get("input")), _tokens(where, entry.get("output"))
    return None if counts == (None, None) else counts


def _tokens(where: str, count: Any) -> int | None:
    if is_missing(count):
        return None
    if isinstance(count, bool) or not isinstance(count, (int, float)) or not 0 <= count < _ENDLESS or count % 1:
        raise TableError(f"{where} has {shown(count)} tokens, which is not a whole number from 0 on")
    return int(count)


_CHECKS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "responses": _text,
    "answers": _answer,
    "logprobs": _logprobs,
    "finish": _finish,
    "seconds": _amount,
    "usage": _usage,
    "cost_usd": _amount,
}
