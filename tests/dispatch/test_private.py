"""A private request is answered by small or by nobody: who is private, what is refused, and what is told of it."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hybrid_llm import Decision, Pair, private
from hybrid_llm.dispatch import Capabilities, Place, Request
from hybrid_llm.errors import ConfigError, PrivateError
from hybrid_llm.event import ArmCall, Observer, RequestEvent
from hybrid_llm.testing import FixedScorer
from tests.dispatch.pairs import DOWN, Way, arms_of, every_way, pair_of
from tests.scenarios import EASY, HARD, StatusError

SECRET = "My salary is 4,711 a month. Is that much for a nurse?"
LOCAL = Capabilities(place=Place(), model="qwen3:4b")


def at_home(**options: Any) -> Pair:
    """Return a pair whose small arm runs in this program."""
    return pair_of(**{"small": LOCAL, **options})


def holds_salary(text: str) -> bool:
    return "salary" in text


BY = {
    "the pair": ({"private": True}, Request(HARD)),
    "the caller's function": ({"private": holds_salary}, Request(SECRET)),
    "the function, of an earlier turn": ({"private": holds_salary}, Request(HARD, turns=[SECRET])),
    "the function, of any text of the history": ({"private": holds_salary}, Request(HARD, said=lambda: ("", SECRET))),
    "the request": ({}, Request(HARD, private=True)),
    "the answer before": ({}, Request(HARD, previous=Decision("small", reason="private", private=True))),
}


@every_way
@pytest.mark.parametrize("by", BY)
async def test_a_private_request_is_answered_by_small_whatever_its_score(by: str, way: Way) -> None:
    options, request = BY[by]
    pair, arms = at_home(**options), arms_of()
    text, decision = await way(pair, request, arms)
    assert (text, arms.asked) == ("from small", ["small"])
    assert (decision.reason, decision.private, decision.score) == ("private", True, None)
    assert Decision.from_dict(json.loads(json.dumps(decision.as_dict()))) == decision
    assert pair.router.scorer.calls == []  # type: ignore[attr-defined]


@every_way
async def test_every_request_inside_the_block_is_private_and_none_after_it(way: Way) -> None:
    pair = at_home()
    with private():
        assert (await way(pair, Request(HARD), arms_of()))[1].private
    assert (await way(pair, Request(HARD), arms_of()))[0] == "from large"


@every_way
async def test_what_is_not_private_goes_where_it_went_before(way: Way) -> None:
    pair = at_home(private=holds_salary)
    assert [(await way(pair, Request(text), arms_of()))[1].reason for text in (EASY, HARD)] == ["score", "score"]


async def test_the_block_holds_in_tasks_and_threads_that_are_started_inside() -> None:
    pair = at_home()

    def ask() -> bool:
        return pair.call(Request(HARD), arms_of().call)[1].private

    async def aask() -> bool:
        return (await pair.acall(Request(HARD), arms_of().acall))[1].private

    with private():
        task = asyncio.create_task(aask())
        in_thread = asyncio.to_thread(ask)
        context = contextvars.copy_context()
        found: list[bool] = []
        thread = threading.Thread(target=context.run, args=(lambda: found.append(ask()),))
        thread.start()
        assert await in_thread
    thread.join()
    assert await task
    assert found == [True]
    with ThreadPoolExecutor() as pool:
        assert not pool.submit(ask).result()


@pytest.mark.parametrize("way", ["batch", "abatch"])
async def test_in_a_batch_each_request_is_judged_by_itself_and_once(way: str) -> None:
    judged: list[str] = []

    def judge(text: str) -> bool:
        judged.append(text)
        return holds_salary(text)

    pair = at_home(private=judge)
    requests = [Request(HARD), Request(SECRET), Request(EASY)]
    arms = arms_of()
    if way == "batch":
        answers = pair.batch(requests, [arms.call] * 3)
    else:
        answers = await pair.abatch(requests, [arms.acall] * 3)
    assert [(text, decision.private) for text, decision in answers] == [
        ("from large", False),
        ("from small", True),
        ("from small", False),
    ]
    assert judged == [HARD, SECRET, EASY]


@pytest.mark.parametrize("way", ["batch", "abatch"])
async def test_in_a_batch_one_that_nobody_may_answer_takes_the_place_of_its_answer(way: str) -> None:
    arms, requests = arms_of(), [Request(HARD), Request(SECRET, private=True, route="large")]
    if way == "batch":
        answers = at_home().batch(requests, [arms.call] * 2, return_exceptions=True)
    else:
        answers = await at_home().abatch(requests, [arms.acall] * 2, return_exceptions=True)
    assert answers[0][0] == "from large"
    assert isinstance(answers[1], PrivateError)


# --- what is refused -----------------------------------------------------------------------------------------------

REFUSED = {
    "a forced large": ({"route": "large"}, "route='large'"),
    "an image": ({"modalities": frozenset({"image"})}, r"\(modality\)"),
    "a provider's tool": ({"tools": frozenset({"web_search"})}, r"\(tools\)"),
    "a forced tool": ({"forced_tool": True}, r"\(tools\)"),
    "a schema": ({"structured": True}, r"\(structured_output\)"),
    "a long prompt": ({"tokens": 5000}, r"\(context\)"),
    "a hosted tracer": ({"tracer": lambda: "https://api.smith.langchain.com"}, "trace_private=True"),
}


@every_way
@pytest.mark.parametrize("what", REFUSED)
async def test_what_small_may_not_answer_is_an_error_and_goes_nowhere(what: str, way: Way) -> None:
    asked, message = REFUSED[what]
    arms = arms_of()
    pair = at_home(small=Capabilities(1000, structured=False, place=Place()))
    with pytest.raises(PrivateError, match=message) as caught:
        await way(pair, Request(SECRET, private=True, **asked), arms)
    assert arms.asked == []
    assert "salary" not in str(caught.value)


@every_way
async def test_the_switch_to_large_refuses_private_requests_and_that_to_small_keeps_them(way: Way) -> None:
    pair, arms = at_home(), arms_of()
    pair.force = "large"
    with pytest.raises(PrivateError, match="force='large'"):
        await way(pair, Request(SECRET, private=True), arms)
    assert arms.asked == []
    pair.force = "small"
    assert (await way(pair, Request(SECRET, private=True), arms))[1].reason == "private"


@pytest.mark.parametrize("traced", ["http://127.0.0.1:1984", "http://traces.lan/api", None])
def test_a_tracer_of_the_callers_own_is_none(traced: str | None) -> None:
    pair = at_home(local_hosts=["traces.lan"])
    assert pair.decide(Request(SECRET, private=True, tracer=lambda: traced)).decision.private


def test_a_hosted_tracer_may_be_allowed() -> None:
    pair = at_home(trace_private=True)
    assert pair.decide(Request(SECRET, private=True, tracer=lambda: "https://traces.example.com")).decision.private


def test_a_request_that_is_not_private_may_be_traced_anywhere() -> None:
    asked: list[int] = []
    pair = at_home()
    request = Request(HARD, tracer=lambda: asked.append(1) or "https://traces.example.com")  # type: ignore[func-returns-value]
    assert pair.decide(request).decision.route == "large"
    assert asked == []


@every_way
async def test_a_function_that_fails_lets_nothing_out(way: Way) -> None:
    def broken(text: str) -> bool:
        raise ValueError(text)

    arms = arms_of()
    with pytest.raises(PrivateError, match="private= failed \\(ValueError\\)") as caught:
        await way(at_home(private=broken), Request(SECRET), arms)
    assert arms.asked == []
    assert SECRET not in whole(caught.value)


async def unawaited(text: str) -> bool:
    return False


@pytest.mark.parametrize("wrong", ["yes", None, 1, unawaited])
def test_private_is_true_or_false_or_a_plain_function(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="private="):
        at_home(private=wrong)


# --- when small is down --------------------------------------------------------------------------------------------


class Echo(StatusError):
    """What a server says that repeats its prompt."""

    def __init__(self, status_code: int) -> None:
        super().__init__(status_code)
        self.args = (f"cannot answer {SECRET}",)


@every_way
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("error", [DOWN, TimeoutError(SECRET), Echo(503), Echo(404)], ids=lambda e: type(e).__name__)
async def test_small_is_down_is_said_without_a_word_of_the_text(
    error: Exception, way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[RequestEvent] = []
    pair, arms = at_home(observers=[seen.append], fallback_to_small=True), arms_of(small=error)
    with caplog.at_level(logging.DEBUG), pytest.raises(PrivateError, match=r"small is down: .*qwen3:4b") as caught:
        await way(pair, Request(SECRET, private=True), arms)
    assert arms.asked == ["small"]
    assert SECRET not in whole(caught.value) + caplog.text + str([event.as_dict() for event in seen])
    assert seen[0].attempts[0].error == type(error).__name__


@every_way
@pytest.mark.filterwarnings("ignore:small is down:hybrid_llm.errors.HybridLLMWarning")
async def test_small_in_its_cooldown_is_called_all_the_same(way: Way) -> None:
    pair, arms = at_home(), arms_of(small=DOWN)
    for _ in range(3):
        await way(pair, Request(EASY), arms)
    assert (await way(pair, Request(EASY), arms))[1].reason == "cooldown"
    assert (await way(pair, Request(EASY, private=True), arms_of()))[0] == "from small"


@every_way
async def test_a_bug_is_raised_as_it_is(way: Way) -> None:
    bug = KeyError("a bug")
    with pytest.raises(KeyError) as caught:
        await way(at_home(), Request(SECRET, private=True), arms_of(small=bug))
    assert caught.value is bug


class Notes(Observer):
    def __init__(self) -> None:
        self.told: list[ArmCall | RequestEvent] = []

    def calling(self, call: ArmCall) -> None:
        self.told.append(call)

    def finished(self, event: RequestEvent) -> None:
        self.told.append(event)


@every_way
async def test_observers_hear_that_it_was_private_and_not_even_the_hash_of_its_text(way: Way) -> None:
    notes = Notes()
    await way(at_home(observers=[notes]), Request(SECRET, private=True), arms_of())
    assert [(each.decision.private, each.query_hash) for each in notes.told] == [(True, "")] * 2


def whole(error: BaseException | None) -> str:
    """Return all that an error and those it is chained to say."""
    return "" if error is None else f"{error!r} {error} {whole(error.__cause__)} {whole(error.__context__)}"


def test_privacy_comes_before_rules_levels_and_shadow() -> None:
    pair = at_home(threshold=2, rules=[("salary", "large")], shadow=True, stay="conversation")
    began = Decision("large", 0.1, 0.5, router_id=pair.router.id)
    decision = pair.decide(Request(SECRET, private=True, began=began)).decision
    assert (decision.route, decision.reason, decision.shadow) == ("small", "private", None)


def test_what_nobody_can_place_is_no_small_for_private_requests() -> None:
    with pytest.raises(PrivateError, match="Nothing tells where small"):
        Pair(FixedScorer(0.9), threshold=0.5, private=True).decide(Request(EASY))
