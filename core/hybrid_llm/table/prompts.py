"""Prompts that people have: lines of text, any format of a quality table without the scores, and exports of others."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from hybrid_llm.errors import TableError
from hybrid_llm.table.chats import as_sent, text_of_message
from hybrid_llm.table.columns import QUERY_NAMES
from hybrid_llm.table.fields import is_missing, optional_text_of, query_of, references_of
from hybrid_llm.table.files import rows_of, rows_of_file
from hybrid_llm.table.paths import listed, mapped, roots
from hybrid_llm.table.responses import PARALLEL
from hybrid_llm.table.rows import fields_of

_NEEDS: Final = "each prompt is a text, or stands in a field called query or prompt"
_TEXTS: Final = ("split", "task", "stem_key")
_OF_ANSWERS: Final = frozenset({"quality", *PARALLEL})
"""What a table says of answers; in a list of prompts these names mean something else, or answers of another day."""


class Prompt(NamedTuple):
    """A prompt.

    Args:
        place: Where it stands.
        query: The text that is scored: of a chat, the user's last.
        fields: The fields that stand beside it, but for scores and answers.
        messages: What the models are sent, in the words of OpenAI: the whole chat up to the user's last message.
        references: The accepted texts, none without a reference.
        times: How often it was asked, over all files.
    """

    place: str
    query: str
    fields: Mapping[str, Any]
    messages: tuple[Mapping[str, Any], ...]
    references: tuple[str, ...] = ()
    times: int = 1


def read_prompts(source: str, file: io.BufferedReader[Any], paths: Mapping[str, str] | None = None) -> Iterator[Prompt]:
    r"""Yield the prompts of an open file.

    Each line is a prompt. JSON Lines, a JSON array (of objects or of texts), CSV with a header, Parquet, and gzip of
    these are read too; there ``query`` holds the prompt, or else ``prompt`` or a chat in ``messages``.

    Args:
        source: What messages call the file.
        file: The file, at its start.
        paths: {field: path} of an export with other names, from :func:`~hybrid_llm.table.parse_map`.

    Raises:
        TableError: The file or a row cannot be read; the message names file, line and field.

    Example:
        >>> [prompt.query for prompt in read_prompts("list", io.BufferedReader(io.BytesIO(b"What is 2+2?\r\nWhy?")))]
        ['What is 2+2?', 'Why?']
    """
    for place, raw in rows_of(source, file, texts=True, names=roots(paths or {})):
        yield _prompt(place, raw, paths)


def prompts_of_files(*files: str | os.PathLike[str], paths: Mapping[str, str] | None = None) -> tuple[Prompt, ...]:
    """Return the prompts of files, equal ones once and counted.

    Two prompts are equal when the models are sent the same; their references are put together, the other fields are
    those of the first.

    Args:
        files: The files, in the formats of :func:`read_prompts`.
        paths: As in :func:`read_prompts`.

    Raises:
        TableError: A file or a row cannot be read, or there is no prompt.
    """
    paths = paths or {}
    names = roots(paths)
    found = _once(
        _prompt(place, raw, paths) for file in files for place, raw in rows_of_file(Path(file), texts=True, names=names)
    )
    if not found:
        raise TableError(f"{', '.join(map(str, files)) or 'No file'} holds no prompt; {_NEEDS}")
    return found


def _once(prompts: Iterable[Prompt]) -> tuple[Prompt, ...]:
    """Return each prompt once, with how often it was there."""
    first: dict[str, Prompt] = {}
    counts: Counter[str] = Counter()
    references: dict[str, dict[str, None]] = {}
    for prompt in prompts:
        key = json.dumps(prompt.messages, sort_keys=True, default=str)
        first.setdefault(key, prompt)
        counts[key] += prompt.times
        references.setdefault(key, {}).update(dict.fromkeys(prompt.references))
    return tuple(prompt._replace(times=counts[key], references=tuple(references[key])) for key, prompt in first.items())


def _prompt(place: str, raw: object, paths: Mapping[str, str] | None) -> Prompt:
    """Turn a row into a prompt; without paths nobody can say which field is which."""
    fields = fields_of(place, {"query": raw} if isinstance(raw, str) else raw, needs=_NEEDS)
    if paths:
        fields = mapped(place, fields, paths)
        fields = {**fields, "reference": text_of_message(fields.get("reference"))}
    elif paths is not None and all(is_missing(fields.get(name)) for name in QUERY_NAMES):
        raise TableError(f"{place}: field 'query' is missing; say which it is, --map query=PATH: {listed(fields)}")
    query, _, chat = query_of(place, fields, needs=_NEEDS)
    for name in _TEXTS:
        optional_text_of(place, name, fields.get(name))  # said now, not after the answers were paid for
    kept = {name: value for name, value in fields.items() if name not in _OF_ANSWERS}
    messages = as_sent(chat) if chat else [{"role": "user", "content": query}]
    return Prompt(place, query, kept, tuple(messages), references_of(place, fields.get("reference")))
