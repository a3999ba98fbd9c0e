"""The examples in the docstrings run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator

PACKAGES = ["hybrid_llm", "langchain_hybrid", "llamaindex_hybrid"]


def modules_of(package: str) -> Iterator[str]:
    yield package
    for info in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not info.name.endswith("__main__"):
            yield info.name


def test_the_examples_of_every_module_run() -> None:
    modules = [importlib.import_module(name) for package in PACKAGES for name in modules_of(package)]
    assert not [module.__name__ for module in modules if doctest.testmod(module).failed]
