"""The fields of a row one by one: what each may hold, and what is said when it holds something else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from hybrid_llm.errors import TableError, shown
from hybrid_llm.table.columns import QUERY_NAMES

NEEDS: Final = "each row needs query and quality"

_USERS: Final = frozenset({"user", "human"})
_EXACT: Final = 2.0**53
"""From here on not every whole number is a float, so that two ids may have become one."""


def query_of(place: str, fields: Mapping[str, Any], *, needs: str = NEEDS) -> tuple[str, str, list[Any] | None]:
    """Return the query of a row, the field that held it, and its messages when that was a chat.

    ``query`` holds it, or else ``prompt`` or ``messages``. The query of a list of messages is the user's last text.

    Raises:
        TableError: There is none.
    """
    name = next((name for name in QUERY_NAMES if not is_missing(fields.get(name))), None)
    if name is None:
        raise TableError(f"{place}: field 'query' is missing; {needs}")
    value = fields[name]
    if isinstance(value, (list, tuple)) and value and all(isinstance(message, Mapping) for message in value):
        return _last_of_user(place, name, value), name, list(value)
    if isinstance(value, str):
        return text_of(place, name, value), name, None
    hint = "; write a file of columns row by row (pandas: orient='records')" if isinstance(value, Mapping) else ""
    raise TableError(f"{place}: field '{name}' is {shown(value)}, not text or a list of messages{hint}")


def id_of(place: str, value: Any) -> str:
    """Return the id of a row; whole numbers become text, and a row without one has "".

    Raises:
        TableError: It is no id.
    """
    if isinstance(value, str):
        return text_of(place, "id", value)
    if isinstance(value, np.generic):
        value = value.item()
    if is_missing(value):
        return ""
    if isinstance(value, float) and value.is_integer():  # pandas makes floats of whole numbers when one is missing
        if abs(value) >= _EXACT:
            raise TableError(f"{place}: field 'id' is {value}, a float too big to tell ids apart; write ids as text")
        return str(int(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise TableError(f"{place}: field 'id' is {shown(value)}, not text")


def text_of(place: str, name: str, value: Any) -> str:
    """Return a field that has to hold text.

    Raises:
        TableError: It does not.
    """
    if not isinstance(value, str):
        raise TableError(f"{place}: field '{name}' is {shown(value)}, not text")
    if not value.strip():
        raise TableError(f"{place}: field '{name}' is blank; give it a text or leave the row out")
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:  # JSON can spell half of a surrogate pair, no tokenizer can read it
            raise TableError(f"{place}: field '{name}' holds half of a surrogate pair; repair the text") from None
    return value


def optional_text_of(place: str, name: str, value: Any) -> str | None:
    """Return a field that may be absent, null or, from pandas, NaN.

    Raises:
        TableError: It holds something else than text.
    """
    return None if is_missing(value) else text_of(place, name, value)


def is_missing(value: Any) -> bool:
    """Return whether a field holds nothing: null, or the NaN that pandas puts there."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _last_of_user(place: str, name: str, messages: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of the last message of the user, in the words of OpenAI, LangChain or ShareGPT."""
    for message in reversed(messages):
        role = message.get("role") or message.get("from") or message.get("type")
        if role in _USERS:
            content = next((message[key] for key in ("content", "value", "text") if message.get(key)), "")
            return text_of(place, name, _text_of_content(content))
    raise TableError(f"{place}: field '{name}' has no message of the user; give one the role 'user'")


def _text_of_content(content: Any) -> Any:
    """Return the text in the content of a message, which may be a list of parts with images among them."""
    if not isinstance(content, (list, tuple)):
        return content
    parts = [part.get("text") if isinstance(part, Mapping) else part for part in content]
    return "\n".join(part for part in parts if isinstance(part, str))
