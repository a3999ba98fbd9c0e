"""What an import costs and touches, in fresh processes, and which room may import which."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "core" / "hybrid_llm"

HEAVY = {
    "onnxruntime",
    "tokenizers",
    "torch",
    "transformers",
    "sklearn",
    "pyarrow",
    "matplotlib",
    "jinja2",
    "typer",
    "rich",
}
FRAMEWORKS = {
    "langchain",
    "langchain_core",
    "langchain_openai",
    "langchain_ollama",
    "langgraph",
    "llama_index",
    "litellm",
}
ADAPTERS = {"langchain_hybrid", "llamaindex_hybrid", "litellm_hybrid"}

MEASURE = """
import json, os, sys, time
reads, connects = [], []
real = os._Environ.__getitem__
def read(self, key):
    reads.append(key)
    return real(self, key)
os._Environ.__getitem__ = read
sys.addaudithook(lambda event, args: connects.append(str(args[1:])) if event == "socket.connect" else None)
began = time.process_time()
{base}
base = time.process_time() - began
before = set(sys.modules)
start = time.process_time()
{ours}
seconds = time.process_time() - start
print(json.dumps(dict(seconds=seconds, base=base, added=sorted(set(sys.modules) - before), modules=sorted(sys.modules),
                      reads=[key for key in reads if "HYBRID" in key], connects=connects)))
"""

IMPORTS = {
    "core": ("import numpy", "import hybrid_llm", 0.05),
    "langchain": (
        "from langchain_core.runnables import RunnableSerializable",
        "from langchain_hybrid import RunnableHybrid",
        0.1,
    ),
    "chat model": (
        "from langchain_core.language_models import BaseChatModel",
        "from langchain_hybrid import ChatHybrid",
        0.1,
    ),
    "middleware": (
        "from langchain.agents.middleware import AgentMiddleware",
        "from langchain_hybrid import HybridRouterMiddleware",
        0.1,
    ),
    "llamaindex": (
        "from llama_index.core.base.base_selector import BaseSelector",
        "from llamaindex_hybrid import HybridSelector",
        0.1,
    ),
    "llamaindex llm": (
        "from llama_index.core.llms.function_calling import FunctionCallingLLM",
        "from llamaindex_hybrid import HybridLLM",
        0.1,
    ),
}
LESS = {"langchain", "middleware", "llamaindex"}
"""Those that share nearly all with another: a fresh process takes seconds to load a framework."""
SHARE = 0.25
"""Of the seconds of what an import stands on: at most this much on a slow machine, where seconds say little."""


def fresh(name: str) -> dict[str, Any]:
    base, ours, _ = IMPORTS[name]
    script = MEASURE.format(base=base, ours=ours)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LESS else name for name in IMPORTS]
)
def test_an_import_costs_next_to_nothing_loads_nothing_heavy_and_touches_nothing(name: str) -> None:
    runs = [fresh(name)]
    added = {module.partition(".")[0] for module in runs[0]["added"]}
    assert not added & HEAVY
    assert "torch" not in runs[0]["modules"]
    if name == "core":
        assert not {module.partition(".")[0] for module in runs[0]["modules"]} & (FRAMEWORKS | ADAPTERS)
    assert runs[0]["connects"] == []
    assert runs[0]["reads"] == []

    limit = IMPORTS[name][2]
    # the best of several, since the machine may be busy
    while (cost := min(run["seconds"] for run in runs)) > allowed(limit, runs) and len(runs) < 5:
        runs.append(fresh(name))
    assert cost <= allowed(limit, runs), f"best of {len(runs)}: {cost:.3f} s"


def allowed(limit: float, runs: list[dict[str, Any]]) -> float:
    """Return the seconds that an import may take: on a slow machine a share of what the framework takes."""
    return max(limit, SHARE * min(run["base"] for run in runs))


@cache
def imports_of(path: Path) -> list[tuple[str, bool]]:
    """Return each imported module, and whether it is imported together with the file.

    Not together with it are imports inside a function, and those for the type checker alone.
    """

    def walk(node: ast.AST, at_import: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from ((alias.name, at_import) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}: imports are absolute"
                yield child.module or "", at_import
                yield from ((f"{child.module}.{alias.name}", at_import) for alias in child.names)
            else:
                later = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or (
                    isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
                )
                yield from walk(child, at_import and not later)

    return list(walk(ast.parse(path.read_text(encoding="utf-8")), True))


def top(module: str) -> str:
    return module.partition(".")[0]


CORE_FILES = sorted(CORE.rglob("*.py"))


def test_the_core_imports_no_framework_and_no_adapter_anywhere() -> None:
    imported = [(path, top(module)) for path in CORE_FILES for module, _ in imports_of(path)]
    assert not [found for found in imported if found[1] in FRAMEWORKS | ADAPTERS]


def test_the_core_loads_heavy_libraries_only_where_they_are_used() -> None:
    together = [(path, top(module)) for path in CORE_FILES for module, at_import in imports_of(path) if at_import]
    allowed = {"typer", "rich"}  # in the command line
    assert not [
        (path, module)
        for path, module in together
        if module in HEAVY and not (path.is_relative_to(CORE / "cli") and module in allowed)
    ]


FLOORS: Final = (
    ("errors",),
    ("disk", "lazy", "level", "names", "personal", "prices", "untrusted"),
    ("labels", "table", "scoring"),
    ("decision",),
    ("bulk", "event", "metrics"),
    ("certify", "calibration", "testing"),
    ("look",),
    ("router",),
    ("dispatch",),
    ("observe", "training"),
    ("collect",),
    ("report",),
    ("run",),
    ("cli",),
)
"""The rooms of the core from the ground up: a room imports those on floors below, and none beside it on its own."""
FLOOR: Final = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FOLDERS: Final = {path.name for path in CORE.iterdir() if (path / "__init__.py").is_file()}


def module_of(path: Path) -> str:
    """Return the dotted name of a file of the core."""
    name = "hybrid_llm." + path.relative_to(CORE).with_suffix("").as_posix().replace("/", ".")
    return name.removesuffix(".__init__")


MODULES: Final = {module_of(path): path for path in CORE_FILES}


def inside(path: Path) -> set[str]:
    """Return the modules of the core that a file imports: at once, in functions, and for the type checker."""
    found = {module for module, _ in imports_of(path) if module in MODULES and module != "hybrid_llm"}
    # "from hybrid_llm.cli import train" names a module: it is that one that is imported, not the door's names
    return {module for module in found if not any(other.startswith(f"{module}.") for other in found)}


def room(module: str) -> str:
    return module.split(".")[1]


def test_every_room_of_the_core_has_a_floor() -> None:
    assert {room(module) for module in MODULES if module != "hybrid_llm"} <= FLOOR.keys()


def test_a_room_imports_only_rooms_on_floors_below() -> None:
    assert not [
        (own, other)
        for own, path in MODULES.items()
        if own != "hybrid_llm"
        for other in inside(path)
        if room(other) != room(own) and FLOOR[room(other)] >= FLOOR[room(own)]
    ]


def test_a_room_is_entered_by_its_door() -> None:
    into = [(own, other) for own, path in MODULES.items() if own != "hybrid_llm" for other in inside(path) - {own}]
    assert not [(own, other) for own, other in into if room(other) != room(own) and other.count(".") > 1]
    # who lives in the room does not go round by the door
    assert not [(own, other) for own, other in into if other == f"hybrid_llm.{room(own)}" and own not in doors()]


def test_no_module_lies_flat_under_a_private_name() -> None:
    parts = {part for module in MODULES for part in module.split(".")}
    assert {part for part in parts if part.startswith("_")} == {"__main__"}


def test_no_modules_of_the_core_import_each_other_in_a_circle() -> None:
    arrows = {module: inside(path) - {module} for module, path in MODULES.items() if module != "hybrid_llm"}
    # a door names what lies behind it: it is a way in, not a module that depends on its room
    arrows = {m: {n for n in to if not m.startswith(f"{n}.")} for m, to in arrows.items() if m not in doors()}
    while leaves := [module for module, to in arrows.items() if not to & arrows.keys()]:
        for leaf in leaves:
            del arrows[leaf]
    assert not arrows


def doors() -> set[str]:
    return {module for module, path in MODULES.items() if path.name == "__init__.py"}


@pytest.mark.parametrize(
    ("package", "may_import"),
    [
        ("langchain_hybrid", {"langchain_core", "langchain", "langgraph", "pydantic", "hybrid_llm"}),
        ("llamaindex_hybrid", {"llama_index", "pydantic", "hybrid_llm"}),
        ("litellm_hybrid", {"litellm", "fastapi", "httpx", "hybrid_llm"}),
    ],
)
def test_an_adapter_imports_its_framework_and_the_core_only(package: str, may_import: set[str]) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        others = {top(module) for module, _ in imports_of(path)} - set(sys.stdlib_module_names)
        assert others <= may_import | {package}, path
