"""The examples with ChatHybrid run by themselves: offline, without a key, with stand-ins that say so."""

from __future__ import annotations

import re

import pytest

from tests.examples.test_examples import EXAMPLES as FOLDER
from tests.examples.test_examples import output_of

STAND_INS = {route: f"(an answer of the {route} stand-in)" for route in ("small", "large")}
EXAMPLES = [
    "langchain_chat.py",
    "langchain_levels.py",
    "langchain_history.py",
    "langchain_two_ollama.py",
    "second_look.py",
]


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_stand_ins_say_what_they_are(example: str) -> None:
    output = output_of(example)
    assert output.startswith("small: a stand-in, no model is called")
    assert "large: a stand-in, no model is called" in output


def test_the_chat_model_answers_with_and_without_a_tool_and_in_a_schema() -> None:
    plain, tool, schema = output_of("langchain_chat.py").split("\n\n")[1:]
    assert re.findall(r"^  (small|large)  .+\n +(.+)$", plain, re.MULTILINE) == list(STAND_INS.items())
    (route,) = re.findall(r"^  (\w+)  get_current_weather.*: 12 degrees and sunny in Toronto$", tool, re.MULTILINE)
    assert tool.splitlines()[-1] == f"  {route}  {STAND_INS[route]}"
    assert re.findall(r"^  (small|large)  .+\n +Topic\(is_mathematics=True\)$", schema, re.MULTILINE) == [
        "small",
        "large",
    ]


def test_each_level_has_its_own_routes() -> None:
    levels, stream, refused = output_of("langchain_levels.py").split("\n\n")[1:]
    routes = [re.findall(r"\b(?:small|large)\b", line) for line in levels.splitlines()[1:]]
    assert all(len(line) == 5 for line in routes)
    constructor, keyword, bind, config, each, forced = (line.count("small") for line in routes)
    assert keyword == forced == 0 < constructor < bind <= config
    assert each == routes[3][2:].count("small")
    assert re.search(r"quality 0.99  (small|large)  \(an answer of the \1 stand-in\)$", stream, re.MULTILINE)
    assert "cost advantage 0 to 0.8" in refused


def test_a_follow_up_stays_where_its_conversation_is() -> None:
    turns = re.findall(r"^  (\w+) \((\w+)\)  .+\n +(.+)$", output_of("langchain_history.py"), re.MULTILINE)
    assert [reason for _, reason, _ in turns] == ["score", "follow_up", "score", "follow_up", "score"]
    assert [route for route, _, _ in turns] == ["small", "small", "large", "large", "small"]
    assert all(answer == STAND_INS[route] for route, _, answer in turns)


def test_three_models_tell_the_way_that_each_question_took() -> None:
    down, levels, kept = output_of("three_models.py").split("\n\n")[1:]
    lines = r"^  ((?:small|large)[^A-Z]*?)  +[A-Z].+\n +\(an answer of the (\w+) stand-in\)$"
    found = re.findall(lines, down, re.MULTILINE)
    assert [name for _, name in found] == ["small"] * 3 + ["middle", "large"]
    ways = [re.findall("small|large", way) for way, _ in found]
    assert ways == [["small"]] * 3 + [["large", "small"], ["large", "large"]]
    always_large, always_small = (re.findall(r"small|large", line) for line in levels.splitlines()[1:])
    assert (always_large, always_small) == (["large", "small", "large", "large"], ["small", "small"])
    assert kept.splitlines()[1] == "  small  (an answer of the small stand-in)"


def test_two_models_of_one_ollama_share_the_questions() -> None:
    found = re.findall(r"^  (small|large)  score .+\n +(.+)$", output_of("langchain_two_ollama.py"), re.MULTILINE)
    assert len(found) == 5
    assert {route for route, _ in found} == {"small", "large"}
    assert all(answer == STAND_INS[route] for route, answer in found)


def test_a_second_look_keeps_what_small_is_sure_of_and_asks_large_for_the_rest() -> None:
    looked, stream = output_of("second_look.py").split("\n\n")[1:]
    found = re.findall(r"^  (\w+)  (\w+)  (small(?: \+ large)?)  .+\n +(.+)$", looked, re.MULTILINE)
    assert [reason for _, reason, _, _ in found] == ["kept", "kept", "escalated", "escalated"]
    assert all(called == ("small" if route == "small" else "small + large") for route, _, called, _ in found)
    assert all(answer == STAND_INS[route] for route, _, _, answer in found)
    assert stream.splitlines()[1].strip() == STAND_INS["large"]


def test_a_second_look_takes_less_than_eighty_lines() -> None:
    assert len((FOLDER / "second_look.py").read_text(encoding="utf-8").splitlines()) < 80
