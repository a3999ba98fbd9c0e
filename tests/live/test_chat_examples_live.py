"""The examples with ChatHybrid on the real servers: which server answered which question."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

from tests.live._real import skip_without_real_models
from tests.live.test_examples_live import output_of

pytestmark = pytest.mark.live


def says(servers: Any) -> dict[str, str]:
    return {"small": servers.small_says, "large": servers.large_says}


def test_the_chat_model_with_a_tool_and_a_schema(servers: Any) -> None:
    output = output_of("langchain_chat.py", servers.settings)
    assert "stand-in" not in output
    plain, tool, schema = output.split("\n\n")[1:]
    assert dict(re.findall(r"^  (small|large)  .+\n +(.+)$", plain, re.MULTILINE)) == says(servers)
    (route,) = re.findall(r"^  (\w+)  get_current_weather.*: 12 degrees and sunny in Toronto$", tool, re.MULTILINE)
    assert tool.splitlines()[-1] == f"  {route}  {says(servers)[route]}"
    assert re.findall(r"^  (\w+)  .+\n +Topic\(is_mathematics=\w+\)$", schema, re.MULTILINE) == ["small", "large"]


def test_the_levels(servers: Any) -> None:
    levels, stream, refused = output_of("langchain_levels.py", servers.settings).split("\n\n")[1:]
    assert len(levels.splitlines()) == 7
    (route,) = re.findall(r"quality 0.99  (small|large)", stream)
    assert says(servers)[route] in stream
    assert "cost advantage 0 to 0.8" in refused


def test_the_conversation(servers: Any) -> None:
    output = output_of("langchain_history.py", servers.settings)
    turns = re.findall(r"^  (\w+) \((\w+)\)  .+\n +(.+)$", output, re.MULTILINE)
    assert [reason for _, reason, _ in turns] == ["score", "follow_up", "score", "follow_up", "score"]
    assert all(answer == says(servers)[route] for route, _, answer in turns)


def test_two_models_of_one_ollama_need_no_hosted_one(servers: Any) -> None:
    without = ("OPENAI_BASE_URL", "OPENAI_API_KEY")
    settings = {key: value for key, value in servers.settings.items() if key not in without}
    output = output_of("langchain_two_ollama.py", settings, without=without)
    assert "large: tiny-large, on Ollama" in output
    found = re.findall(r"^  (small|large)  score .+\n +(.+)$", output, re.MULTILINE)
    assert {route for route, _ in found} == {"small", "large"}
    assert all(answer == says(servers)[route] for route, answer in found)


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_the_second_look_on_a_model_that_says_how_sure_it_is(servers: Any) -> None:
    small = {"SMALL_MODEL": "real-small", "SMALL_BASE_URL": f"http://127.0.0.1:{os.environ.get('SPORT', '18082')}/v1"}
    skip_without_real_models()
    looked = output_of("second_look.py", {**servers.settings, **small}).split("\n\n")[1]
    found = re.findall(r"^  (\w+)  (\w+)  (.+?)  .+\n +(.+)$", looked, re.MULTILINE)
    assert len(found) == 4
    for route, reason, called, text in found:
        assert called == ("small" if reason == "kept" else "small + large")
        assert (text == servers.large_says) == (route == "large")
