"""Names of a package that are imported when first used, so that importing the package costs next to nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

_EXTRAS = {
    "langchain_core": "langchain",
    "langchain": "agents",
    "langgraph": "agents",
    "llama_index": "llamaindex",
    "opentelemetry": "observe",
}
"""Which extra brings a library that is missing."""


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and the ``__dir__`` of a package.

    Args:
        package: Its name.
        homes: For each public name the module that defines it.

    Returns:
        A function that imports a name from its home. It raises AttributeError for any other name, and
        :class:`~hybrid_llm.errors.MissingExtraError` where a framework is not installed.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            value = getattr(importlib.import_module(homes[name]), name)
        except ModuleNotFoundError as error:
            from hybrid_llm.errors import MissingExtraError

            extra = _EXTRAS.get((error.name or "").partition(".")[0])
            if extra is None:
                raise
            raise MissingExtraError.of(name, extra) from error
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted(sys.modules[package].__all__)

    return get, names
