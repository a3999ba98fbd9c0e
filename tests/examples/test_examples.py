"""Every example runs by itself: offline, without a key, with stand-ins that say so."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import traceback
import warnings
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
VARIABLES = {
    "SMALL_MODEL",
    "SMALL_BASE_URL",
    "MIDDLE_MODEL",
    "LARGE_MODEL",
    "OLLAMA_HOST",
    "OPENAI_BASE_URL",
    "OPENAI_API_KEY",
}

OFFLINE = """
import runpy, sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1]).parent))  # as python does for a program
def refuse(event, args):
    if event == "socket.connect":
        raise OSError(f"an example without settings connects to {args[1]}")
sys.addaudithook(refuse)
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@cache
def output_of(example: str) -> str:
    """Return what an example prints in a process that is forked from this one, which has loaded the frameworks."""
    if not hasattr(os, "fork"):
        return output_of_a_fresh_process(example)
    for framework in ("langchain.agents", "llama_index.core"):
        if framework.startswith(example.partition("_")[0].replace("llamaindex", "llama_index")):
            importlib.import_module(framework)
    with TemporaryDirectory() as folder:
        printed, wrong = Path(folder, "printed"), Path(folder, "wrong")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # this process has threads; none holds a lock here
            child = os.fork()
        if not child:
            run_and_leave(EXAMPLES / example, printed, wrong)
        status = os.waitpid(child, 0)[1]
        assert status == 0, wrong.read_text(encoding="utf-8")
        return printed.read_text(encoding="utf-8")


def run_and_leave(example: Path, printed: Path, wrong: Path) -> None:
    """Run an example as a program, and end the process."""
    status = 1
    with printed.open("w", encoding="utf-8") as sys.stdout, wrong.open("w", encoding="utf-8") as sys.stderr:
        try:
            for name in VARIABLES:
                os.environ.pop(name, None)
            warnings.resetwarnings()
            sys.argv = ["-c", str(example)]
            exec(OFFLINE, {})
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it is, it is the parent that tells of it
            traceback.print_exc()
    os._exit(status)


def output_of_a_fresh_process(example: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    command = [sys.executable, "-c", OFFLINE, str(EXAMPLES / example)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


PROGRAMS = sorted(path.name for path in EXAMPLES.glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("example", [name for name in PROGRAMS if name not in {"models.py", "fastapi_chat.py"}])
def test_an_example_runs_in_a_fresh_process(example: str) -> None:
    assert output_of_a_fresh_process(example)


def test_the_langchain_chain_runs_offline_with_stand_ins_on_both_routes() -> None:
    output = output_of("langchain_chain.py")
    assert output.startswith("small: a stand-in, no model is called")
    assert "large: a stand-in, no model is called" in output
    single, batch, stream = output.split("\n\n")[1:]
    routes = re.findall(r"^  (small|large)  score \d\.\d\d  ", single, re.MULTILINE)
    assert len(routes) == 5
    assert set(routes) == {"small", "large"}
    answers = [f"(an answer of the {route} stand-in)" for route in routes]
    assert re.findall(r"^ +(\(an answer of .*\))$", single, re.MULTILINE) == answers
    assert re.findall(r"^ +(\(an answer of .*\))$", batch, re.MULTILINE) == answers
    assert re.fullmatch(r"\(an answer of the (small|large) stand-in\)", stream.splitlines()[1])


def test_the_llamaindex_query_engine_runs_offline_with_stand_ins_on_both_routes() -> None:
    output = output_of("llamaindex_query_engine.py")
    assert output.startswith("small: a stand-in, no model is called")
    assert "large: a stand-in, no model is called" in output
    reason = (
        r"p\(small is good enough\)=[\d.]+ (?:>=|<) [\d.]+ \((.*)\) -> (\w+)\n +\(an answer of the (\w+) stand-in\)"
    )
    found = re.findall(reason, output)
    assert [level for level, _, _ in found] == ["cost advantage 0.3"] * 5 + ["quality 0.9"]
    assert {route for _, route, _ in found[:5]} == {"small", "large"}
    assert all(route == answered for _, route, answered in found)


@pytest.mark.parametrize("example", PROGRAMS)
def test_every_example_is_in_the_readme(example: str) -> None:
    assert f"`{example}`" in (EXAMPLES / "README.md").read_text(encoding="utf-8")


def test_every_example_can_be_read_at_a_glance() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py") if len(path.read_text().splitlines()) > 80} == set()


@pytest.mark.slow
def test_own_pair_goes_from_prompts_to_a_certificate_offline_with_stand_ins() -> None:
    output = output_of("own_pair.py")
    assert output.startswith("small: a stand-in, no model is called\nlarge: a stand-in, no model is called")
    assert "Certified: at most 5 % of stand-in-large's quality is lost while stand-in-small answers" in output
    assert "400 prompts, 400 graded for both models" in output
