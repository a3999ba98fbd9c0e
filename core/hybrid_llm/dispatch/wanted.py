"""What an answer has to be, read from the words that both families of clients share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from hybrid_llm.dispatch.asked import LIMITS
from hybrid_llm.dispatch.settings import json_schema_of
from hybrid_llm.look import Validates, Wanted

_FORMATS: Final = ("response_format", "format")
_JSON: Final = ("json", "json_object")
_BROKEN: Final = {"hybrid_llm": "does not parse"}
UNPARSED: Final = json.dumps(_BROKEN)
"""Stands for JSON that is none of a schema, where only the model's own parser knows."""


class AnyTool(dict[str, Any]):
    """Tools of which any may be called: those of a schema that some models follow by calling it."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> None:
        return None


PARSED: Final = Wanted(json=True, schema=lambda value: value != _BROKEN, tools=AnyTool())
"""What an object has to be whose parser has checked it: anything but :data:`UNPARSED`."""


def as_json(value: Any) -> str:
    """Return an object as JSON; whatever it holds that is no JSON as text."""
    dump = getattr(value, "model_dump_json", None)
    return str(dump()) if callable(dump) else json.dumps(value, default=str)


def is_no_json(text: str) -> bool:
    """Return whether a text that says something is no JSON.

    Example:
        >>> is_no_json("Lima"), is_no_json("{}"), is_no_json("")
        (True, False, False)
    """
    try:
        json.loads(text)
    except ValueError:
        return bool(text.strip())
    return False


def wanted_of(settings: Mapping[str, Any], tools: Sequence[Any] = ()) -> Wanted:
    """Return what an answer has to be.

    Args:
        settings: The keyword arguments of the call, in whatever dialect.
        tools: Descriptions of the tools that it may call, in OpenAI's form.

    Example:
        >>> wanted_of({"max_tokens": 5}).length_is_meant, wanted_of({"format": "json"}).json
        (True, True)
    """
    options = settings.get("options")
    given = {**(options if isinstance(options, Mapping) else {}), **settings}
    schema = next((_schema(given[name]) for name in _FORMATS if given.get(name)), None)
    is_json = any(_is_json(given.get(name)) for name in _FORMATS)
    offered = tools if settings.get("tool_choice") != "none" else ()
    return Wanted(
        length_is_meant=any(given.get(name) is not None for name in LIMITS),
        json=is_json or schema is not None,
        schema=None if schema is None else follows(schema),
        tools=dict(map(_tool, offered)) or None,
    )


def follows(schema: Mapping[str, Any]) -> Validates | None:
    """Return what says whether a value follows a JSON schema; ``None`` where the library for that is not installed.

    Example:
        >>> follows({"type": "object", "required": ["city"]})({"town": "Lima"})
        False
    """
    try:
        return _validator(json.dumps(schema, sort_keys=True))
    except (TypeError, ValueError):  # something else than JSON in it
        return None


@lru_cache(maxsize=256)
def _validator(schema: str) -> Validates | None:
    try:
        from jsonschema import Draft202012Validator  # loaded when an answer is checked
        from referencing import Registry
    except ImportError:
        return None
    validator = Draft202012Validator(json.loads(schema), registry=Registry())  # which fetches nothing from elsewhere

    def valid(value: Any) -> bool:
        try:
            return bool(validator.is_valid(value))
        except Exception:  # noqa: BLE001 - a schema with a mistake in it says nothing of a value
            return True

    return valid


def _tool(tool: Any) -> tuple[str, Validates | None]:
    """Return a tool's name, and what says whether arguments follow its schema."""
    function = tool.get("function", tool) if isinstance(tool, Mapping) else {}
    schema = function.get("parameters")
    name = str(function.get("name") or function.get("type") or "")
    return name, follows(schema) if isinstance(schema, Mapping) else None


def _is_json(value: Any) -> bool:
    kind = value.get("type") if isinstance(value, Mapping) else value
    return isinstance(kind, str) and kind in _JSON


def _schema(value: Any) -> Mapping[str, Any] | None:
    """Return the JSON schema in what says how an answer is to be formed; ``None`` where there is none."""
    value = json_schema_of(value)
    if not isinstance(value, Mapping) or _is_json(value) or value.get("type") == "text":
        return None
    if value.get("type") == "json_schema":
        inner = value.get("json_schema") or {}
        value = value.get("schema") or (inner.get("schema") if isinstance(inner, Mapping) else None)
    return value if isinstance(value, Mapping) else None
