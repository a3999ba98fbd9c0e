"""Both examples on the real servers: which server answered which question."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.live

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def output_of(example: str, settings: dict[str, str], without: tuple[str, ...] = ()) -> str:
    environment = {key: value for key, value in {**os.environ, **settings}.items() if key not in without}
    command = [sys.executable, str(EXAMPLES / example)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_langchain_chain_asks_the_server_that_the_route_names(servers: Any) -> None:
    output = output_of("langchain_chain.py", servers.settings)
    assert "stand-in" not in output
    single, batch, stream = output.split("\n\n")[1:]
    pairs = re.findall(r"^  (small|large)  score [\d.]+  .*\n +(.*)$", single, re.MULTILINE)
    says = {"small": servers.small_says, "large": servers.large_says}
    assert len(pairs) == 5
    assert {route for route, _ in pairs} == {"small", "large"}
    assert [answer for _, answer in pairs] == [says[route] for route, _ in pairs]
    assert [line.strip() for line in batch.splitlines()[1:]] == [answer for _, answer in pairs]
    assert stream.splitlines()[1] in says.values()


def test_the_llamaindex_query_engine_asks_the_server_that_the_route_names(servers: Any) -> None:
    output = output_of("llamaindex_query_engine.py", servers.settings)
    assert "stand-in" not in output
    pairs = re.findall(r"-> (small|large)\n +(.*)$", output, re.MULTILINE)
    says = {"small": servers.small_says, "large": servers.large_says}
    assert len(pairs) == 6
    assert {route for route, _ in pairs[:5]} == {"small", "large"}
    assert [answer for _, answer in pairs] == [says[route] for route, _ in pairs]


@pytest.mark.parametrize("example", ["langchain_chain.py", "llamaindex_query_engine.py"])
def test_one_side_may_be_real_while_the_other_is_a_stand_in(example: str, servers: Any) -> None:
    output = output_of(example, servers.settings, without=("LARGE_MODEL",))
    assert "small: tiny-small, on Ollama" in output
    assert "large: a stand-in, no model is called" in output
    assert servers.small_says in output
    assert "(an answer of the large stand-in)" in output
    assert servers.large_says not in output
