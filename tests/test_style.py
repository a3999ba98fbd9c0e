"""Rules of the house that a linter does not know."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    file
    for package in ("core/hybrid_llm", "langchain_hybrid", "llamaindex_hybrid", "litellm_hybrid")
    for file in (ROOT / package).rglob("*.py")
)
TESTS = sorted((ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize("file", [*MODULES, *TESTS], ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_module_holds_one_concept(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_nothing_is_unpickled_and_no_foreign_code_is_run(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not names & {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"}
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not calls & {"eval", "exec", "compile", "__import__"}
    trusted = [k for n in ast.walk(tree) if isinstance(n, ast.Call) for k in n.keywords if k.arg == "trust_remote_code"]
    assert all(isinstance(k.value, ast.Constant) and k.value.value is False for k in trusted)
