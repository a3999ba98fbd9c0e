"""The examples in the docstrings run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator

import pytest

PACKAGES = ["hybrid_llm", "langchain_hybrid", "llamaindex_hybrid", "litellm_hybrid"]
ELSEWHERE = {"litellm_hybrid.routing": "runs where LiteLLM's proxy is installed, which has an environment of its own"}


def modules_of(package: str) -> Iterator[str]:
    yield package
    for info in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not info.name.endswith("__main__"):
            yield info.name


@pytest.mark.parametrize("name", [name for package in PACKAGES for name in modules_of(package)])
def test_the_examples_of_a_module_run(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        if name not in ELSEWHERE:
            raise
        pytest.skip(ELSEWHERE[name])
    assert doctest.testmod(importlib.import_module(name)).failed == 0
