"""The caller's own word in LangChain: rules, a conversation that stays, and the shadow."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from hybrid_llm.testing import FixedScorer
from tests.covering import covering
from tests.langchain._agents import agent_of, call, fake
from tests.langchain._to_large import HARD, both, record
from tests.langchain._ways import Way, every_way

pytestmark = pytest.mark.usefixtures("nothing_is_traced")


# --- overrides -----------------------------------------------------------------------------------------------------


@covering(every_way, both, times=2)
async def test_a_rule_comes_before_the_score(made: Any, way: Way) -> None:
    (answer,) = await way(made(rules=[("(?i)primes", "small")]), [HARD])
    assert (answer.text, record(answer)["reason"]) == ("from small", "rule")


@covering(every_way, both, times=2)
async def test_a_conversation_stays_where_it_began(made: Any, way: Way) -> None:
    llm = made(stay="conversation")
    (first,) = await way(llm, ["Hi."], threshold=0)
    talk = [HumanMessage("Hi."), first, HumanMessage(HARD)]
    (later,) = await way(llm, [talk])
    assert (later.text, record(later)["reason"]) == ("from small", "follow_up")
    (free,) = await way(made(), [talk])
    assert free.text == "from large"


@covering(every_way, both, times=2)
async def test_in_shadow_large_answers_and_the_message_says_what_would_have_been(made: Any, way: Way) -> None:
    seen: list[Any] = []
    (answer,) = await way(made(shadow=True, threshold=0, observers=[seen.append]), [HARD])
    assert answer.text == "from large"
    assert (record(answer)["reason"], record(answer)["shadow"]["route"]) == ("shadow", "small")
    assert seen[0].decision.shadow.route == "small"


def test_an_agents_run_in_shadow_keeps_what_would_have_been() -> None:
    large = fake("large", replies=[call(city="Lima")])
    state = agent_of(fake("small"), large, FixedScorer(0.9), shadow=True).invoke({"messages": [HumanMessage(HARD)]})
    said = [record(message) for message in state["messages"] if isinstance(message, AIMessage)]
    assert [each["reason"] for each in said] == ["shadow", "shadow"]
    assert [each["shadow"]["route"] for each in said] == ["small", "small"]
    assert len(large.asked) == 2
