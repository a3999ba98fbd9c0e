"""What decides besides the score: forced routes, gates, follow-ups, and the range that requests may choose."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm import Decision, Level, Router
from hybrid_llm.dispatch import FUNCTION, Capabilities, Request
from hybrid_llm.dispatch.policy import Allowed, Policy
from hybrid_llm.errors import LevelError
from hybrid_llm.testing import FixedScorer
from tests.scenarios import EASY, HARD, SCORES, THRESHOLD, WINDOW

pytestmark = [
    pytest.mark.filterwarnings("ignore:The scorer failed:hybrid_llm.errors.HybridLLMWarning"),
    pytest.mark.filterwarnings("ignore:The threshold for quality:hybrid_llm.errors.HybridLLMWarning"),
]

LOCAL = Capabilities(context_window=WINDOW, structured=False)
HOSTED = Capabilities(100 * WINDOW, modalities=frozenset({"image"}), tools=None, forced_tool=True)
IMAGE, FILE = frozenset({"image"}), frozenset({"file"})


def policy_of(scorer: Any = None, **options: Any) -> Policy:
    router = Router(scorer or FixedScorer(SCORES, default=0.0))
    return Policy(router, **{"level": Level.of(threshold=THRESHOLD), "small": LOCAL, "large": HOSTED, **options})


# --- gates ---------------------------------------------------------------------------------------------------------

EVERYTHING = Request(
    "x", tokens=10**9, modalities=IMAGE, tools=frozenset({"web_search"}), forced_tool=True, structured=True
)


@pytest.mark.parametrize(
    ("request_", "lacks"),
    [
        (Request(EASY), None),
        (Request(EASY, tokens=10**9), None),  # of an unknown window nothing is refused
        (Request(EASY, tools=frozenset({FUNCTION})), None),
        (Request(EASY, structured=True), None),
        (Request(EASY, modalities=IMAGE), "modality"),
        (Request(EASY, modalities=FILE), "modality"),
        (Request(EASY, tools=frozenset({FUNCTION, "web_search"})), "tools"),
        (Request(EASY, tools=frozenset({FUNCTION}), forced_tool=True), "tools"),
    ],
)
def test_an_arm_without_a_profile_calls_functions_and_reads_neither_images_nor_files(request_, lacks):
    assert Capabilities().missing(request_) == lacks


def test_an_arm_without_limits_lacks_nothing():
    assert Capabilities.unlimited().missing(EVERYTHING) is None


@pytest.mark.parametrize(("tokens", "lacks"), [(WINDOW, None), (WINDOW + 1, "context")])
def test_a_prompt_of_exactly_the_window_fits(tokens, lacks):
    assert LOCAL.missing(Request(EASY, tokens=tokens)) == lacks


@pytest.mark.parametrize(
    ("small", "large", "expected"),
    [
        (IMAGE, IMAGE, ("small", "score")),
        (frozenset(), IMAGE, ("large", "modality")),
        (IMAGE, frozenset(), ("small", "modality")),
        (frozenset(), frozenset(), ("large", "modality")),  # neither is known to: large is asked
        (None, frozenset(), ("small", "modality")),
    ],
)
def test_a_gate_speaks_when_the_arms_differ_or_neither_can(small, large, expected):
    policy = policy_of(small=Capabilities(modalities=small), large=Capabilities(modalities=large))
    decision = policy.decide(Request(EASY, modalities=IMAGE))
    assert (decision.route, decision.reason) == expected


def test_a_gate_costs_no_score():
    scorer = FixedScorer(0.9)
    assert policy_of(scorer).decide(EVERYTHING).route == "large"
    assert scorer.calls == []


# --- follow-ups ----------------------------------------------------------------------------------------------------

WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=8), min_size=1, max_size=12)


@given(WORDS, st.sampled_from([" ", "  ", ", ", "\n"]), st.sampled_from(["", ".", "?!"]))
def test_a_text_is_a_follow_up_if_and_only_if_it_has_under_six_words_after_an_answer(words, between, end):
    text = between.join(words) + end
    assert Request(text, turns=["before"]).is_follow_up is (len(words) < 6)
    assert Request(text, previous=Decision("small")).is_follow_up is (len(words) < 6)
    assert not Request(text).is_follow_up


@pytest.mark.parametrize(
    "question",
    [
        "秘鲁的首都是哪座城市",
        "ペルーの首都はどこですか",
        "페루의 수도는 어디입니까?",
        "เมืองหลวงของเปรูคืออะไร",
        "ນະຄອນຫຼວງຂອງເປຣູ",
        "តើរដ្ឋធានីរបស់ប្រទេសប៉េរូឈ្មោះអ្វី",
        "ပီရူးနိုင်ငံ၏မြို့တော်ကဘာလဲ",
        "iPhoneの電池を交換する方法",
    ],
)
def test_a_question_in_a_script_without_spaces_is_not_mistaken_for_a_follow_up(question):
    assert not Request(question, turns=["before"]).is_follow_up


@pytest.mark.parametrize(
    "text",
    ["好的", "继续", "はい", "네", "ทำเลย", "Yes, that's what I'd like", "Oui, c\u2019est ça", "👍", "???", "да"],
)
def test_a_few_words_of_any_language_are_a_follow_up(text):
    assert Request(text, turns=["before"]).is_follow_up


@pytest.mark.parametrize("blank", ["", "  ", "\n\t"])
def test_no_text_is_no_follow_up(blank):
    assert policy_of().decide(Request(blank, turns=[EASY])).reason == "no_text"


@pytest.mark.parametrize(
    ("turns", "scored"),
    [
        ([HARD, EASY], EASY),
        ([EASY, "go on"], EASY),
        ([HARD, EASY, "go on", "and then?"], EASY),
        (["hi", "who are you?"], "hi"),  # all of them short: the first
        ([EASY, ""], EASY),  # a turn that was only a picture
        (["  ", "hi"], "hi"),
        (["yes"], "yes"),  # the same words again
        (["", " "], "yes"),  # nothing but pictures: its own
    ],
)
def test_a_follow_up_is_scored_by_the_last_turn_that_was_none(turns, scored):
    scorer = FixedScorer(0.9)
    decision = policy_of(scorer).decide(Request("yes", turns=turns))
    assert scorer.calls == [[scored]]
    assert decision.reason == ("follow_up" if any(turn.strip() for turn in turns) else "score")


@pytest.mark.parametrize("turns", [(), ("今天晚饭吃什么好, 我有鸡蛋和西红柿。",)])
def test_an_unfamiliar_query_and_what_follows_it_go_to_large(trained, turns):
    request = Request("yes" if turns else "今天晚饭吃什么好, 我有鸡蛋和西红柿。", turns=turns)
    decision = Policy(trained, level=Level.of(quality=0.5)).decide(request)
    assert (decision.route, decision.familiar) == ("large", False)
    assert decision.reason == ("follow_up" if turns else "unfamiliar")


def test_a_follow_up_keeps_the_previous_decision_without_scoring():
    scorer = FixedScorer(0.1)
    previous = Decision("small", 0.9, THRESHOLD, reason="score", router_id=scorer.id)
    kept = policy_of(scorer).decide(Request("yes, do it", turns=[HARD], previous=previous))
    assert kept == previous.override(reason="follow_up")
    assert scorer.calls == []


def test_a_follow_up_that_asks_for_another_level_is_decided_again():
    scorer = FixedScorer(SCORES)
    previous = Decision("small", 0.9, THRESHOLD, Level.of(threshold=THRESHOLD), router_id=scorer.id)
    request = Request("yes, do it", turns=[EASY], previous=previous, level=Level.of(threshold=2))
    decision = policy_of(scorer).decide(request)
    assert (decision.route, decision.reason, scorer.calls) == ("large", "follow_up", [[EASY]])


@pytest.mark.parametrize("same_turn", [False, True])
def test_a_previous_decision_of_another_router_is_ignored(same_turn):
    scorer = FixedScorer(0.1)
    forged = Decision("small", 0.9, THRESHOLD, router_id="another")
    decision = policy_of(scorer).decide(Request("yes", turns=[HARD], previous=forged, same_turn=same_turn))
    assert (decision.route, scorer.calls) == ("large", [[HARD]])


@pytest.mark.parametrize("same_turn", [False, True])
def test_a_previous_decision_is_ignored_where_requests_do_not_choose_freely(same_turn):
    scorer = FixedScorer(0.9)
    dear = Decision("large", reason="forced", router_id=scorer.id)
    policy = policy_of(scorer, allowed=Allowed.of((0.3, 0.6), Level("threshold", THRESHOLD)))
    decision = policy.decide(Request("yes", turns=[EASY], previous=dear, same_turn=same_turn))
    assert (decision.route, scorer.calls) == ("small", [[EASY]])


@pytest.mark.parametrize("text", ["go", "A text that is too long to be mistaken for a follow-up."])
@pytest.mark.parametrize("reason", ["score", "forced", "modality", "no_text", "follow_up"])
def test_a_later_step_of_a_tool_loop_keeps_the_decision_of_its_turn(text, reason):
    scorer = FixedScorer(0.1)
    previous = Decision("small", reason=reason, router_id=scorer.id)
    assert policy_of(scorer).decide(Request(text, previous=previous, same_turn=True)) is previous
    assert scorer.calls == []


@pytest.mark.parametrize("reason", ["fallback", "cooldown"])
def test_a_later_step_stays_on_the_arm_that_stepped_in_without_claiming_to_have_fallen_back(reason):
    previous = Decision("large", 0.9, THRESHOLD, reason=reason, router_id="fixed")
    kept = policy_of().decide(Request(EASY, previous=previous, same_turn=True))
    assert kept == previous.override(reason="follow_up")


# --- levels that requests may choose -------------------------------------------------------------------------------

RANGES = [  # with the router of conftest.py all three are the thresholds 0.3 to 0.7
    Allowed.of((0.9, 1.0), None),
    Allowed.of((0.4, 0.8), Level("cost_advantage", 0.4)),
    Allowed.of((0.3, 0.7), Level("threshold", 0.5)),
]


@pytest.mark.parametrize("allowed", RANGES, ids=str)
@pytest.mark.parametrize(
    ("option", "fine"),
    [
        ({"quality": 1.0}, True),
        ({"quality": 0.9}, True),
        ({"quality": 0.7}, False),
        ({"cost_advantage": 0.4}, True),
        ({"cost_advantage": 0.8}, True),
        ({"cost_advantage": 1}, False),
        ({"threshold": 0.3}, True),
        ({"threshold": 0.5}, True),
        ({"threshold": 0.29}, False),
        ({"threshold": 0.71}, False),
    ],
    ids=str,
)
def test_levels_of_any_kind_are_held_against_the_range_by_their_threshold(router, allowed, option, fine):
    policy, request = Policy(router, allowed=allowed), Request("middling", level=Level.of(**option))
    if fine:
        assert policy.decide(request).level == request.level
    else:
        with pytest.raises(LevelError, match=f"may ask for {allowed}"):
            policy.check(request)
        with pytest.raises(LevelError, match="not for requests to choose"):
            policy.decide(request)


@pytest.mark.parametrize(
    ("bounds", "fine"), [((0.3, 0.7), ()), ((0, 0.7), ("small",)), ((0.3, 2), ("large",)), ((2, 0), ("small", "large"))]
)
@pytest.mark.parametrize("route", ["small", "large"])
def test_a_forced_route_is_refused_when_its_threshold_is_outside_the_range(bounds, fine, route):
    policy = policy_of(allowed=Allowed.of(bounds, Level("threshold", 0)))
    if route in fine:
        assert policy.decide(Request(EASY, route=route)).reason == "forced"
    else:
        with pytest.raises(LevelError, match=f"route='{route}' is not for requests to choose"):
            policy.decide(Request(EASY, route=route))


def test_the_policys_own_level_need_not_be_in_the_range():
    policy = policy_of(level=Level("threshold", 2), allowed=Allowed.of((0.3, 0.7), Level("threshold", 0)))
    assert policy.decide(Request(EASY)).route == "large"


@pytest.mark.parametrize("bounds", [(0.9,), (0.9, 0.95, 1.0), (0.9, 1.5), ("low", "high"), ()])
def test_a_range_is_two_levels(bounds):
    with pytest.raises(LevelError):
        Allowed.of(bounds, None)


@pytest.mark.parametrize("request_", [Request(EASY, route="medium"), Request(EASY, route="")])
def test_a_route_that_does_not_exist_is_refused(request_):
    with pytest.raises(LevelError, match="'small' or 'large'"):
        policy_of().check(request_)


def test_a_level_that_the_router_has_no_thresholds_for_is_refused():
    with pytest.raises(LevelError, match="calibrate"):
        policy_of().check(Request(EASY, level=Level("quality", 0.9)))
    with pytest.raises(LevelError, match="calibrate"):
        policy_of(level=Level("quality", 0.9))
    with pytest.raises(LevelError, match="calibrate"):
        policy_of(allowed=Allowed.of((0.9, 0.95), None))


# --- many at once --------------------------------------------------------------------------------------------------

REQUESTS = st.builds(
    Request,
    text=st.sampled_from([EASY, HARD, "yes, do it", "  "]),
    turns=st.sampled_from([(), (EASY,), (HARD, "go on")]),
    modalities=st.sampled_from([frozenset(), IMAGE]),
    level=st.sampled_from([None, Level("threshold", 0.05), Level("threshold", 0.95)]),
    route=st.sampled_from([None, None, "small", "large"]),
    previous=st.sampled_from([None, Decision("small", router_id="fixed")]),
    same_turn=st.booleans(),
)


@given(st.lists(REQUESTS, max_size=8))
def test_many_requests_are_decided_as_each_alone_in_one_pass_sync_and_async(requests):
    scorer = FixedScorer(SCORES, default=0.0)
    decisions = policy_of(scorer).decide_many(requests)
    assert len(scorer.calls) <= 1
    assert decisions == [policy_of().decide(request) for request in requests]
    assert asyncio.run(policy_of().adecide_many(requests)) == decisions


def test_one_refused_request_refuses_the_batch_before_anything_is_scored():
    scorer = FixedScorer(0.9)
    with pytest.raises(LevelError):
        policy_of(scorer).decide_many([Request(EASY), Request(EASY, route="medium")])
    assert scorer.calls == []
