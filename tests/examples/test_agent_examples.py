"""The examples with agents run by themselves: offline, without a key, with stand-ins that say so."""

from __future__ import annotations

import re

from tests.examples.test_examples import output_of

STAND_INS = {route: f"(an answer of the {route} stand-in)" for route in ("small", "large")}


def lines_of(part: str) -> list[tuple[str, ...]]:
    """Return (route, reason, tools, answer) of each run that a part of the output shows."""
    return re.findall(r"^  (small|large)(?: \((\w+)\))?  .+\n      (.*?): (.+)$", part, re.MULTILINE)


def test_the_agent_answers_each_run_on_one_side_and_keeps_to_it_in_a_follow_up() -> None:
    output = output_of("langchain_agent.py")
    assert output.startswith("small: a stand-in, no model is called")
    runs, levels, follow_up = (lines_of(part) for part in output.split("\n\n")[1:])
    assert len(runs) == 4
    assert {route for route, *_ in runs} == {"small", "large"}
    assert [(route, reason) for route, reason, *_ in levels] == [("small", "score"), ("large", "forced")]
    assert [(route, reason) for route, reason, *_ in follow_up] == [("large", "follow_up")]
    for route, _, tools, answer in [*runs, *levels]:
        assert tools.split(", ")[-1] == "get_current_weather"
        assert answer == STAND_INS[route]


def test_the_small_model_picks_the_tools_and_the_router_the_model() -> None:
    found = lines_of(output_of("langchain_tool_selection.py"))
    assert [tools for _, _, tools, _ in found] == ["get_current_weather", "get_time", "get_distance"]
    assert {route for route, *_ in found} == {"small", "large"}
    assert all(answer == STAND_INS[route] for route, *_, answer in found)


def test_the_difficulty_of_its_question_chooses_the_side_of_a_tool() -> None:
    alone, in_agent = output_of("langchain_tool_routing.py").split("\n\n")[1:]
    expected = [f"quick answer: {STAND_INS['small']}", f"research: {STAND_INS['large']}"]
    assert re.findall(r"^      (.+)$", alone, re.MULTILINE) == expected
    assert re.findall(r"^      tool: (.+)$", in_agent, re.MULTILINE) == expected
