"""Rules of the house that a linter does not know."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    file
    for package in ("core/hybrid_llm", "langchain_hybrid", "llamaindex_hybrid", "litellm_hybrid")
    for file in (ROOT / package).rglob("*.py")
)
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def test_a_module_holds_one_concept():
    assert not [file for file in [*MODULES, *TESTS] if len(file.read_text(encoding="utf-8").splitlines()) > 400]


def test_nothing_is_unpickled_and_no_foreign_code_is_run():
    assert not {file: wrong for file in MODULES if (wrong := list(dangers(ast.parse(file.read_text("utf-8")))))}


def dangers(tree: ast.AST) -> Iterator[str]:
    """Yield what a module must not import, call or allow."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"}.intersection(names)
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec", "compile", "__import__"}:
                yield node.func.id
            for keyword in node.keywords:
                if keyword.arg == "trust_remote_code" and not is_false(keyword.value):
                    yield "trust_remote_code"


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False
