"""The command line, run in this process on small tables; each text is embedded once in all these tests."""

from __future__ import annotations

import functools
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer.main

from hybrid_llm.cli import main
from hybrid_llm.scoring import Encoder
from tests.small_table import make_rows

PAIR = ("--small", "small", "--large", "large")


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


class Terminal(io.StringIO):
    """A stream that says it is a terminal and remembers what was shown; use it with ``redirect_stderr``."""

    def isatty(self) -> bool:
        return True


def run(*arguments: object) -> Result:
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = main([str(argument) for argument in arguments])
    return Result(code, out.getvalue(), err.getvalue())


def write_rows(file: Path, rows) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture(scope="session", autouse=True)
def _parameters_are_read_once():
    """Read the parameters of each command once: else each call reads those of all commands, for 60 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_params_from_function", functools.cache(typer.main.get_params_from_function))
        yield


@pytest.fixture(autouse=True)
def _one_embedding_for_each_text(encoder, monkeypatch):
    load = Encoder.load
    monkeypatch.setattr(Encoder, "load", lambda path=None: encoder if path is None else load(path))


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="session")
def table(folder) -> Path:
    """240 rows, two thirds of them train, and a model ``other`` beside small and large."""
    return write_rows(folder / "rows.jsonl", make_rows())


@pytest.fixture(scope="session")
def fresh(folder) -> Path:
    """240 rows that no training saw, without a split that matters."""
    return write_rows(folder / "fresh.jsonl", [row | {"split": "new"} for row in make_rows(seed=1)])


@pytest.fixture(scope="session")
def trained(folder, table) -> Path:
    """A router folder; tests that write into it take a copy."""
    assert run("train", table, *PAIR, "--out", folder / "router").code == 0
    return folder / "router"


@pytest.fixture
def shipped(trained, monkeypatch) -> Path:
    """The trained router in the place of the shipped one."""
    monkeypatch.setattr("hybrid_llm.router.folder_reading.SHIPPED_ROUTER", trained)
    return trained
