"""The examples with HybridLLM run by themselves: offline, without a key, with stand-ins that say so."""

from __future__ import annotations

import re

import pytest

from tests.examples.test_examples import output_of

STAND_INS = {route: f"(an answer of the {route} stand-in)" for route in ("small", "large")}
EXAMPLES = ["llamaindex_settings_llm.py", "llamaindex_agent.py", "llamaindex_levels.py"]


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_stand_ins_say_what_they_are(example: str) -> None:
    output = output_of(example)
    assert output.startswith("small: a stand-in, no model is called")
    assert "large: a stand-in, no model is called" in output


def test_the_llm_of_everything_answers_each_question_on_one_side() -> None:
    engine, stream, chat = output_of("llamaindex_settings_llm.py").split("\n\n")[1:]
    answered = re.findall(r"^  (small|large) \((\w+)\)  .+\n      (.+)$", engine, re.MULTILINE)
    assert len(answered) == 5
    assert {route for route, *_ in answered} == {"small", "large"}
    assert all(answer == STAND_INS[route] for route, _, answer in answered)
    assert re.search(r"^  (small|large) \(score\)  \(an answer of the \1 stand-in\)$", stream, re.MULTILINE)
    talk = re.findall(r"^  (\w+) \((\w+)\)  .+\n      (.+)$", chat, re.MULTILINE)
    assert [reason for _, reason, _ in talk] == ["score", "follow_up", "score"]
    assert [route for route, *_ in talk] == ["large", "large", "small"]


def test_the_agent_calls_its_tool_whichever_model_runs_it() -> None:
    talk, level = output_of("llamaindex_agent.py").split("\n\n")[1:]
    found = re.findall(r"^  (\w+) \(score\)  .+\n      get_current_weather: (.+)$", talk, re.MULTILINE)
    assert len(found) == 3
    assert {route for route, _ in found} == {"small", "large"}
    assert all(answer == STAND_INS[route] for route, answer in found)
    assert level.splitlines()[1] == "  small (score)  cost advantage 1"


def test_each_level_has_its_own_routes() -> None:
    levels, engine, stream, refused = output_of("llamaindex_levels.py").split("\n\n")[1:]
    counts = [line.split().count("small") for line in levels.splitlines()[1:]]
    constructor, keyword, copy, block, forced = counts
    assert keyword == forced == 0 < constructor < copy <= block
    assert engine.splitlines()[1:] == [
        f"  constructor      {STAND_INS['large']}",
        f"  hybrid_quality   {STAND_INS['small']}",
    ]
    assert stream.splitlines()[1] == f"  a copy           {STAND_INS['small']}"
    assert "they may ask for cost advantage 0 to 0.8" in refused
