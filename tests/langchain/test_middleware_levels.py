"""HybridRouterMiddleware: each request may choose its level, within what the program allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from hybrid_llm import Router
from hybrid_llm.errors import LevelError
from hybrid_llm.testing import FixedScorer
from tests.covering import covering
from tests.langchain._agents import Way, agent_of, call, every_way, fakes, routes

pytestmark = pytest.mark.filterwarnings("ignore:The threshold for quality:hybrid_llm.errors.HybridLLMWarning")

REFUSED = ConnectionRefusedError("connection refused")


@dataclass
class Wishes:
    quality: float | None = None
    cost_advantage: float | None = None
    threshold: float | None = None
    route: str | None = None
    user: str = "Ana"


class Model(BaseModel):
    quality: float | None = None


def in_config(**wishes: Any) -> dict[str, Any]:
    return {"config": {"configurable": {f"hybrid_{name}": value for name, value in wishes.items()}}}


@covering(
    every_way,
    pytest.mark.parametrize(
        ("wish", "route"),
        [
            ({}, "large"),
            ({"context": {"quality": 0.9}}, "small"),
            ({"context": {"quality": 1.0}}, "large"),
            ({"context": {"cost_advantage": 0.8}}, "small"),
            ({"context": {"threshold": 0.4, "user": "Ana"}}, "small"),
            ({"context": {"route": "small"}}, "small"),
            ({"context": Wishes(quality=0.9)}, "small"),
            ({"context": Wishes()}, "large"),
            ({"context": Model(quality=0.9)}, "small"),
            (in_config(quality=0.9), "small"),
            (in_config(cost_advantage=0.8), "small"),
            (in_config(threshold=0.4), "small"),
            (in_config(route="small"), "small"),
            (in_config(query="easy"), "small"),
            ({"context": {"quality": 1.0}, **in_config(quality=0.9)}, "large"),
            ({"context": {"quality": 0.9}, **in_config(threshold=2.0)}, "small"),
        ],
    ),
    times=2,
)
async def test_each_request_may_choose_its_level_by_context_or_config(
    way: Way, wish: dict[str, Any], route: str, router: Router
) -> None:
    small, large = fakes()
    (small if route == "small" else large).replies = [call()]
    agent = agent_of(small, large, router, threshold=None, quality=1.0)
    state = await way(agent, "middling", **wish)
    assert routes(state) == [route] * 2


@covering(
    every_way,
    pytest.mark.parametrize(
        ("wish", "says"),
        [
            ({"context": {"quality": 1.5}}, "out of range"),
            ({"context": {"threshold": "high"}}, "out of range"),
            ({"context": Wishes(quality=0.9, threshold=0.5)}, "quality and threshold were given together"),
            ({"context": {"quality": 0.9, "cost_advantage": 0.5}}, "were given together"),
            ({"context": {"route": "medium"}}, "'small' or 'large'"),
            (in_config(quality=0.9, threshold=0.5), "were given together"),
            (in_config(cost_advantage=-1), "out of range"),
        ],
    ),
    times=2,
)
async def test_a_wish_that_makes_no_sense_is_a_clear_error(
    way: Way, wish: dict[str, Any], says: str, router: Router
) -> None:
    with pytest.raises(LevelError, match=says):
        await way(agent_of(*fakes(), router), "easy", **wish)


@every_way
@pytest.mark.parametrize("wish", [{"quality": 0.7}, {"route": "large"}, {"threshold": 0.9}])
async def test_requests_choose_only_within_the_allowed_range(way: Way, wish: dict[str, Any], router: Router) -> None:
    agent = agent_of(*fakes(), router, threshold=None, quality=1.0, allowed=(0.9, 1.0))
    assert routes(await way(agent, "middling", context={"quality": 0.95})) == ["large"]
    assert routes(await way(agent, "middling", context={"quality": 0.9})) == ["small"]
    with pytest.raises(LevelError, match=r"may ask for quality 0.9 to 1"):
        await way(agent, "middling", context=wish)


@every_way
async def test_within_an_allowed_range_a_run_still_has_one_decision_and_stays_with_large(
    way: Way, scorer: FixedScorer
) -> None:
    small, large = fakes()
    small.replies = [call(), REFUSED]
    large.replies = [call()]
    state = await way(agent_of(small, large, scorer, allowed=(0.4, 0.6)), "easy")
    assert routes(state) == ["small", "large", "large"]
    assert scorer.calls == [["easy"]]
