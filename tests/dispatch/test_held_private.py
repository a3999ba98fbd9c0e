"""A private request is looked at by what is local, which is told and no more: nobody else than small answers it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hybrid_llm import Decision, Pair
from hybrid_llm.dispatch import Capabilities, Place
from hybrid_llm.errors import PrivateError
from tests.dispatch.held import LARGE, SMALL, Played, Way, every_way, request_for
from tests.looks import CHECKER, LEVEL, SURE, UNSURE, LookScenario, Said, router_with, trained, untrained
from tests.scenarios import FAILURES

HOME = replace(SMALL, place=Place())
REMOTE = Place("https://api.example.com/v1")


def at_home(scenario: LookScenario, **options: Any) -> Pair:
    return Pair(scenario.router(), small=HOME, large=LARGE, second_look=scenario.form, **{**LEVEL, **options})


@every_way
@pytest.mark.parametrize(
    ("said", "kept", "rejected"),
    [(Said(sure=SURE), True, None), (Said(sure=UNSURE), False, None), (Said(finish="length"), False, "cut_off")],
)
async def test_its_answer_is_shown_whatever_the_look_says(
    said: Said, kept: bool, rejected: str | None, way: Way
) -> None:
    scenario = LookScenario("", said)
    played = Played(scenario)
    value, decision = await way(at_home(scenario, private=True), request_for(scenario), played)
    assert (value, decision.route, decision.reason, played.asked) == (said, "small", "private", ["small"])
    assert decision.look is not None
    assert (decision.look.kept, decision.look.rejected) == (kept, rejected)
    assert (decision.look.score is None) == (rejected is not None)
    assert not decision.held
    assert not decision.certified
    assert not Decision.from_dict(decision.as_dict()).held


@every_way
async def test_a_call_of_a_tool_is_made_without_a_word_on_it(way: Way) -> None:
    scenario = LookScenario("", Said("", calls=(("look_up", {"city": "Lima"}),)), tools=True)
    value, decision = await way(at_home(scenario, private=True), request_for(scenario), Played(scenario))
    assert (value, decision.reason, decision.look, decision.held) == (scenario.small, "private", None, False)


@every_way
@pytest.mark.parametrize(("place", "compared"), [(Place(), 1), (REMOTE, 0), (None, 0)], ids=["local", "remote", "?"])
@pytest.mark.filterwarnings("ignore:The second look cannot see")
async def test_only_a_checker_that_is_local_hears_of_it(place: Place | None, compared: int, way: Way) -> None:
    scenario = LookScenario("", Said("It is 18.", UNSURE), look=lambda: trained(checker=True), form=True, checker="18")
    pair = at_home(scenario, checker=Capabilities(model=CHECKER, place=place))
    played, private = Played(scenario), replace(request_for(scenario), private=True)
    if compared:
        _, decision = await way(pair, private, played)
    else:
        with pytest.warns(match="Private requests are looked at without the checker"):
            _, decision = await way(pair, private, played)
    assert (played.compared, played.asked, decision.route) == (compared, ["small"], "small")
    assert await way(pair, request_for(scenario), played)
    assert played.compared == compared + 1  # whatever is not private is compared as before


@every_way
async def test_small_that_is_down_is_an_error_and_nobody_else_is_asked(way: Way) -> None:
    scenario = LookScenario("", small_fails="refused")
    played = Played(scenario)
    with pytest.raises(PrivateError, match="small is down") as caught:
        await way(at_home(scenario, private=True), request_for(scenario), played)
    assert played.asked == ["small"]
    assert caught.value.__cause__ is not FAILURES["refused"]


@every_way
async def test_a_threshold_and_a_route_are_about_the_query_alone_here_too(way: Way) -> None:
    for of_call in (("threshold", 0.5), ("route", "small")):
        scenario = LookScenario("", Said(sure=UNSURE), of_call=(of_call,))
        _, decision = await way(at_home(scenario, private=True), request_for(scenario), Played(scenario))
        assert (decision.reason, decision.look) == ("private", None)


def test_a_checker_elsewhere_is_refused_where_every_request_is_private() -> None:
    with pytest.raises(PrivateError, match="checker runs at"):
        Pair(
            router_with(trained(checker=True), untrained()),
            small=HOME,
            checker=Capabilities(model=CHECKER, place=REMOTE),
            second_look=True,
            private=True,
            **LEVEL,
        )
