"""In shadow HybridLLM asks small behind the answer, and observers hear what would have come of it."""

from __future__ import annotations

import asyncio

import pytest
from llama_index.core.base.llms.types import ChatMessage

from tests.covering import covering
from tests.llamaindex._arms import WAYS, Way
from tests.llamaindex._held import Seen, ask, asked, held_llm, text_of
from tests.looks import UNSURE, LookScenario, Said
from tests.scenarios import EASY

KEPT, ESCALATED = LookScenario("kept"), LookScenario("escalated", Said(sure=UNSURE), route="large", reason="escalated")
every_way = pytest.mark.parametrize("way", WAYS, ids=str)
every_shape = pytest.mark.parametrize("shape", ["chat", "complete", "predict"])
both = pytest.mark.parametrize("scenario", [KEPT, ESCALATED], ids=lambda one: one.name)


async def heard_of(seen: Seen) -> None:
    """Wait until a request is told."""
    for _ in range(1000):
        if seen.events:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("nothing is told")


@covering(every_way, every_shape, both, times=2)
async def test_small_is_looked_at_behind_the_answer(way: Way, shape: str, scenario: LookScenario) -> None:
    seen = Seen()
    llm = held_llm(scenario, shadow=True, observers=[seen])
    answers = await ask(llm, way, shape, scenario)
    assert text_of(answers) == "from large"
    await heard_of(seen)
    would = seen.decision.shadow
    assert would is not None
    assert (would.route, would.reason) == (scenario.route, scenario.reason)
    assert asked(llm) == (1, 1)
    large, small = seen.events[0].attempts
    assert (large.route, large.kept, small.route, small.kept) == ("large", True, "small", False)
    assert small.output_tokens
    if shape != "predict":
        assert [one["route"] for one in answers[-1].additional_kwargs["hybrid"]["attempts"]] == ["large"]


async def test_a_history_that_grows_meanwhile_is_asked_as_it_was() -> None:
    seen, history = Seen(), [ChatMessage(EASY)]
    llm = held_llm(KEPT, shadow=True, observers=[seen])
    await llm.achat(history)
    history.append(ChatMessage("Something else?"))  # before the loop comes to what is behind
    await heard_of(seen)
    assert [len(one.messages) for one in llm.small.asked] == [1]  # type: ignore[attr-defined]
