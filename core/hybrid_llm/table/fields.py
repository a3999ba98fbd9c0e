"""The fields of a row one by one: what each may hold, and what is said when it holds something else."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from hybrid_llm.errors import TableError, shown
from hybrid_llm.table.chats import is_chat, last_of_user
from hybrid_llm.table.columns import QUERY_NAMES

NEEDS: Final = "each row needs query and quality"

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
    if isinstance(value, Mapping) and is_chat(value.get("messages")):  # the inputs of a traced chat model
        value = value["messages"]
    if is_chat(value):
        query = last_of_user(value)
        if query is None:
            raise TableError(f"{place}: field '{name}' has no message of the user; give one the role 'user'")
        return text_of(place, name, query), name, list(value)
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
    return whole_text(f"{place}: field '{name}'", value)


def whole_text(where: str, text: str) -> str:
    """Return a text that can be encoded.

    Args:
        where: The place and the field, for the message.
        text: The text.

    Raises:
        TableError: It cannot: JSON can spell half of a surrogate pair, and no tokenizer can read it.
    """
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise TableError(f"{where} holds half of a surrogate pair; repair the text") from None
    return text


def optional_text_of(place: str, name: str, value: Any) -> str | None:
    """Return a field that may be absent, null or, from pandas, NaN.

    Raises:
        TableError: It holds something else than text.
    """
    return None if is_missing(value) else text_of(place, name, value)


def references_of(place: str, value: Any) -> tuple[str, ...]:
    """Return the accepted texts of a row, of which a reference may be one or a list; none when there is none.

    Numbers and truths become text, an object its JSON.

    Raises:
        TableError: It holds something else.
    """
    where = f"{place}: field 'reference'"
    accepted = []
    for given in value if isinstance(value, (list, tuple)) else (value,):
        if is_missing(given) or given == "":
            continue
        text = json.dumps(given, ensure_ascii=False) if isinstance(given, Mapping) else literal_of(given)
        if text is None:
            raise TableError(f"{where} is {shown(value)}; write one accepted text, or a list of them")
        accepted.append(whole_text(where, text))
    return tuple(accepted)


def literal_of(value: Any) -> str | None:
    """Return a text as it is, and a number or a truth as text; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))  # pandas makes floats of whole numbers when one is missing
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, (int, float)) else None


def told_id_of(value: Any) -> str | None:
    r"""Return an id as text that any file can hold, to know its row again by; None where there is none.

    Bytes are written in hex, dates in ISO 8601, structs and lists as JSON.

    Example:
        >>> told_id_of(7.0), told_id_of({"shard": 3}), told_id_of(b"\x01\xff")
        ('7', '{"shard": 3}', '01ff')
    """
    if is_missing(value):
        return None
    text = literal_of(value)
    if text is None:
        text = value.hex() if isinstance(value, bytes) else _spelled(value)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _spelled(value: Any) -> str:
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=told_id_of)
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


def is_missing(value: Any) -> bool:
    """Return whether a field holds nothing: null, or the NaN that pandas puts there."""
    return value is None or (isinstance(value, float) and math.isnan(value))
