"""Prompts that people have: lines of text, or any format of a quality table without the scores."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from hybrid_llm.table.fields import query_of
from hybrid_llm.table.files import rows_of
from hybrid_llm.table.rows import fields_of

_NEEDS: Final = "each prompt is a text, or stands in a field called query or prompt"


class Prompt(NamedTuple):
    """A prompt: where it stands, the text that is scored, and all fields that stand beside it."""

    place: str
    query: str
    fields: Mapping[str, Any]


def read_prompts(source: str, file: io.BufferedReader[Any]) -> Iterator[Prompt]:
    r"""Yield the prompts of an open file.

    Each line is a prompt. JSON Lines, a JSON array (of objects or of texts), CSV with a header, Parquet, and gzip of
    these are read too; there ``query`` holds the prompt, or else ``prompt`` or a chat in ``messages``.

    Args:
        source: What messages call the file.
        file: The file, at its start.

    Raises:
        TableError: The file or a row cannot be read; the message names file, line and field.

    Example:
        >>> [prompt.query for prompt in read_prompts("list", io.BufferedReader(io.BytesIO(b"What is 2+2?\r\nWhy?")))]
        ['What is 2+2?', 'Why?']
    """
    for place, raw in rows_of(source, file, texts=True):
        fields = fields_of(place, {"query": raw} if isinstance(raw, str) else raw, needs=_NEEDS)
        yield Prompt(place, query_of(place, fields, needs=_NEEDS)[0], fields)
