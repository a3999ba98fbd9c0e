"""In shadow large answers everything, and what would have been decided is told."""

from __future__ import annotations

import json

import pytest

from hybrid_llm import Decision
from hybrid_llm.dispatch import Capabilities, Place, Request
from hybrid_llm.event import RequestEvent
from tests.dispatch.pairs import DOWN, Way, arms_of, every_way, pair_of
from tests.scenarios import EASY, HARD


@every_way
@pytest.mark.parametrize(("text", "route"), [(EASY, "small"), (HARD, "large")])
async def test_large_answers_and_observers_hear_what_would_have_been(text: str, route: str, way: Way) -> None:
    seen: list[RequestEvent] = []
    pair, arms = pair_of(shadow=True, observers=[seen.append]), arms_of()
    answer, came = await way(pair, Request(text), arms)
    assert (answer, arms.asked) == ("from large", ["large"])
    assert (came.route, came.reason, came.certified) == ("large", "shadow", False)
    would = seen[0].decision.shadow
    assert would == came.shadow == pair_of().decide(Request(text)).decision
    assert would is not None
    assert (would.route, would.reason) == (route, "score")
    assert Decision.from_dict(json.loads(json.dumps(came.as_dict()))) == came
    assert hash(came)


def test_a_forced_small_is_shadowed_too_and_the_switch_is_not() -> None:
    pair = pair_of(shadow=True)
    came = pair.decide(Request(EASY, route="small")).decision
    assert (came.route, came.shadow and came.shadow.reason) == ("large", "forced")
    pair.force = "small"
    assert pair.decide(Request(HARD)).decision.reason == "forced"


def test_a_follow_up_follows_what_would_have_been() -> None:
    pair = pair_of(shadow=True)
    first = pair.decide(Request(EASY)).decision
    second = pair.decide(Request("and then?", turns=[EASY], previous=first)).decision
    assert (second.route, second.shadow and second.shadow.route) == ("large", "small")
    assert second.shadow is not None
    assert (second.shadow.reason, second.shadow.shadow) == ("follow_up", None)
    third = pair.decide(Request("and then?", turns=[EASY], previous=second, same_turn=True)).decision
    assert third.shadow is not None
    assert third.shadow.route == "small"


def test_after_the_shadow_a_conversation_goes_on_with_who_answered_it() -> None:
    first = pair_of(shadow=True).decide(Request(EASY)).decision
    came = pair_of().decide(Request("and then?", turns=[EASY], previous=first)).decision
    assert (came.route, came.reason, came.shadow) == ("large", "follow_up", None)


def test_what_large_cannot_serve_goes_to_small_all_the_same() -> None:
    pair = pair_of(shadow=True, small=Capabilities.unlimited(), large=Capabilities())
    came = pair.decide(Request(EASY, modalities=frozenset({"image"}))).decision
    assert (came.route, came.reason) == ("small", "modality")


@every_way
async def test_a_private_request_still_goes_to_small(way: Way) -> None:
    pair = pair_of(shadow=True, private=True, small=Capabilities(place=Place()))
    assert (await way(pair, Request(HARD), arms_of()))[0] == "from small"


@every_way
async def test_when_large_is_down_its_error_is_raised(way: Way) -> None:
    with pytest.raises(ConnectionRefusedError):
        await way(pair_of(shadow=True), Request(EASY), arms_of(large=DOWN))
