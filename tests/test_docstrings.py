"""The examples in the docstrings run."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator

import pytest

IS_OLD = importlib.util.find_spec("langchain_core.decisions") is None
"""Whether LangChain has no decision models yet."""
PACKAGES = ["hybrid_llm", "langchain_hybrid", "llamaindex_hybrid"]


def modules_of(package: str) -> Iterator[str]:
    yield package
    for info in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not info.name.endswith("__main__") and not (info.name == "langchain_hybrid.decisions" and IS_OLD):
            yield info.name


@pytest.mark.parametrize("name", [name for package in PACKAGES for name in modules_of(package)])
def test_the_examples_of_a_module_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
