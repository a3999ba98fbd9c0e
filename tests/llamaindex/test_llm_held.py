"""HybridLLM holds small's answer back, and makes of it what every adapter must."""

from __future__ import annotations

import warnings

import pytest

from tests.covering import covering
from tests.llamaindex._arms import WAYS, Way
from tests.llamaindex._held import Seen, ask, asked, held_llm, text_of
from tests.looks import LOOK_SCENARIOS, LookScenario
from tests.scenarios import FAILURES

every_scenario = pytest.mark.parametrize("scenario", LOOK_SCENARIOS, ids=lambda scenario: scenario.name)
every_way = pytest.mark.parametrize("way", WAYS, ids=str)

SHAPES = ["chat", "complete", "predict"]


def can_be_asked(shape: str, scenario: LookScenario) -> bool:
    """Return whether a shape has a place for what the scenario asks with: tools, a format, a limit."""
    return shape == "chat" or not (scenario.tools or (shape == "predict" and (scenario.json or scenario.limited)))


@covering(every_scenario, pytest.mark.parametrize("shape", SHAPES), every_way, times=2)
async def test_the_scenarios_of_every_adapter(way: Way, shape: str, scenario: LookScenario) -> None:
    seen, shape = Seen(), shape if can_be_asked(shape, scenario) else "chat"
    llm = held_llm(scenario, observers=[seen])
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        if scenario.raises:
            with pytest.raises(type(FAILURES[scenario.raises])) as caught:
                await ask(llm, way, shape, scenario)
            assert caught.value is FAILURES[scenario.raises]
            return
        answers = await ask(llm, way, shape, scenario)
    decision = seen.decision
    assert (decision.route, decision.reason) == (scenario.route, scenario.reason)
    assert (decision.look.rejected if decision.look else None) == scenario.rejected
    assert text_of(answers) == (scenario.small.text if scenario.route == "small" else "from large")
    if shape != "predict":
        record = answers[-1].additional_kwargs["hybrid"]
        assert {**decision.as_dict(), "attempts": [each.as_dict() for each in seen.events[-1].attempts]} == record
    if shape == "chat":
        calls = llm.get_tool_calls_from_response(answers[-1], error_on_no_tool_call=False)
        assert len(calls) == (len(scenario.small.calls) if scenario.route == "small" else 0)
        assert answers[-1].message.additional_kwargs["hybrid"] == record
    assert asked(llm) == (scenario.asked.count("small"), scenario.asked.count("large"))
    assert [each.route for each in seen.events[-1].attempts if each.kept] == [scenario.route]
    ours = [str(each.message) for each in given if "is down" not in str(each.message) and "unlike" not in str(each)]
    assert len(ours) == (scenario.warns is not None)
    assert scenario.warns is None or scenario.warns in ours[0]
