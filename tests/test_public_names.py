"""What the three packages export: every name is there, and none is forgotten."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

import hybrid_llm

IS_OLD = importlib.util.find_spec("langchain_core.decisions") is None
LANGCHAIN = pytest.param(
    "langchain_hybrid",
    marks=pytest.mark.skipif(IS_OLD, reason="HybridDecisionModel needs langchain-core 1.8 or later"),
)
PACKAGES = ["hybrid_llm", LANGCHAIN, "llamaindex_hybrid"]
ADAPTERS = PACKAGES[1:]
FAKES = [f"{package}.testing" for package in ("hybrid_llm", "langchain_hybrid", "llamaindex_hybrid")]
"""Fakes for the tests of users: public where they are, and not at the root of the package."""


@pytest.mark.parametrize("package", [*PACKAGES, *FAKES])
def test_every_exported_name_can_be_imported(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__all__
    for name in module.__all__:
        assert getattr(module, name) is not None, name


@pytest.mark.parametrize("package", PACKAGES)
def test_star_import_and_dir_give_exactly_the_exported_names(package: str) -> None:
    module = importlib.import_module(package)
    namespace: dict[str, object] = {}
    exec(f"from {package} import *", namespace)
    assert set(namespace) - {"__builtins__"} == set(module.__all__)
    assert set(module.__all__) <= set(dir(module))
    assert list(module.__all__) == sorted(module.__all__)


@pytest.mark.skipif(not IS_OLD, reason="langchain-core is 1.8 or later here")
def test_a_name_that_the_framework_is_too_old_for_says_so() -> None:
    with pytest.raises(ImportError, match=r"pip install -U 'langchain-core>=1\.8'"):
        _ = importlib.import_module("langchain_hybrid").HybridDecisionModel


def test_the_core_knows_the_home_of_every_exported_name() -> None:
    assert set(hybrid_llm.__all__) == set(hybrid_llm._HOMES) | {"__version__"}


def test_the_core_says_which_name_it_does_not_have() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Roter'"):
        _ = hybrid_llm.Roter


@pytest.mark.parametrize("package", ADAPTERS)
def test_no_public_class_or_function_of_an_adapter_is_forgotten(package: str) -> None:
    root = importlib.import_module(package)
    names = [f"{package}.{info.name}" for info in pkgutil.iter_modules(root.__path__) if info.name[0] != "_"]
    modules = [importlib.import_module(name) for name in names if name not in FAKES]
    assert set().union(*map(defined_in, modules)) == set(root.__all__)


@pytest.mark.parametrize("name", FAKES)
def test_no_fake_is_forgotten(name: str) -> None:
    module = importlib.import_module(name)
    assert defined_in(module) == set(module.__all__)


def defined_in(module: ModuleType) -> set[str]:
    """Return the public classes and functions of a module that are its own."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    }


@pytest.mark.parametrize("package", [*ADAPTERS, *FAKES])
def test_every_exported_class_has_a_docstring_with_an_example_or_arguments(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        doc = inspect.getdoc(getattr(module, name)) or ""
        assert "Args:" in doc or "Example:" in doc, name


MISSING = {
    "from llamaindex_hybrid import HybridLLM": "llamaindex",
    "from llamaindex_hybrid import HybridSelector": "llamaindex",
    "from langchain_hybrid import HybridRouterMiddleware": "agents",
    "from langchain_hybrid import ChatHybrid": "langchain",
}
WITHOUT = f"""
import sys
from hybrid_llm.errors import MissingExtraError
sys.modules.update(dict.fromkeys(["llama_index", "langchain"]))
for line in {list(MISSING)}:
    if "ChatHybrid" in line:
        sys.modules["langchain_core"] = None
        for name in [name for name in sys.modules if name.startswith("langchain_hybrid")]:
            del sys.modules[name]
    try:
        exec(line)
    except MissingExtraError as error:
        print(error)
"""


def test_a_framework_that_is_missing_is_named_with_its_extra_and_the_command() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert len(said) == len(MISSING)
    for line, extra in zip(said, MISSING.values(), strict=True):
        assert f"the extra {extra}: pip install 'hybrid-llm[{extra}]'" in line
