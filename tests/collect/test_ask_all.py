"""Asking everything: each answer stored when it comes, none paid for twice, failures kept apart from answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hybrid_llm.collect import BUDGET, Budget, ModelName, PairFolder, Reply, ask_all, plans
from hybrid_llm.errors import PairFolderError
from hybrid_llm.prices import Prices
from tests.collect.conftest import LARGE, SMALL, prompts, setup_with

SETUP = setup_with(max_tokens=100)
PRICES = Prices.read(["big=0:10000"])  # one cent for a token that is written: one dollar for the longest answer


class Fake:
    """Models that answer as they are told, and remember what they were asked."""

    def __init__(self, says: Callable[[str, str], Any] = lambda model, text: "4", seconds: float = 0.0) -> None:
        self.says, self.seconds = says, seconds
        self.asked: Counter[tuple[str, str]] = Counter()
        self.flying = self.most = self.closed = 0

    def __call__(self, model: ModelName) -> Any:
        fake = self

        class Asks:
            async def ask(self, messages, settings) -> Reply:
                text = messages[-1]["content"]
                fake.asked[model.name, text] += 1
                fake.flying += 1
                fake.most = max(fake.most, fake.flying)
                try:
                    await asyncio.sleep(fake.seconds)
                    said = fake.says(model.name, text)
                finally:
                    fake.flying -= 1
                if isinstance(said, Exception):
                    raise said
                return said if isinstance(said, Reply) else Reply(said, "stop", input_tokens=9, output_tokens=10)

            async def close(self) -> None:
                fake.closed += 1

        return Asks()


@pytest.fixture
def folder(tmp_path: Path):
    with PairFolder(tmp_path / "pair") as opened:
        opened.begin(SETUP)
        opened.add_prompts(prompts(10))
        yield opened


def go(folder: PairFolder, fake: Fake, budget: float | None = None, parallel: int = 1, setup=SETUP, tell=None):
    todo = plans(setup, folder.prompts(), folder.answered(setup), PRICES, folder.usual_tokens(setup))
    more = {"tell": tell} if tell else {}
    at_once = {SMALL: 1, LARGE: parallel}
    return asyncio.run(ask_all(folder, setup, todo, Budget(budget, folder.spent()), at_once, client=fake, **more))


class StatusError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__("no")
        self.status_code = status


def test_every_model_is_asked_every_prompt_once(folder: PairFolder) -> None:
    fake = Fake()
    outcome = go(folder, fake)
    assert outcome.answered == {"tiny": 10, "big": 10}
    assert set(fake.asked.values()) == {1}
    assert len(fake.asked) == 20
    assert (outcome.errors, outcome.stopped, fake.closed) == ({}, {}, 2)
    assert folder.spent() == outcome.spent == pytest.approx(10 * 0.1)


def test_what_was_answered_is_never_asked_again(folder: PairFolder) -> None:
    fake = Fake()
    go(folder, fake)
    folder.add_prompts(prompts(12))
    go(folder, fake)
    assert set(fake.asked.values()) == {1}
    assert len(fake.asked) == 24


def test_each_sample_is_asked_for(folder: PairFolder) -> None:
    setup = setup_with(max_tokens=100)
    several = type(setup)(SMALL, LARGE, settings=setup.settings, samples=3)
    fake = Fake()
    go(folder, fake, setup=several)
    assert set(fake.asked.values()) == {3}
    assert len(folder.answered(several)) == 60


def test_several_requests_run_at_once_and_no_more(folder: PairFolder) -> None:
    fake = Fake(seconds=0.01)
    go(folder, fake, parallel=4)
    assert fake.most == 5  # one of the small model beside them


def test_an_error_is_stored_as_one_and_only_that_is_asked_again(folder: PairFolder) -> None:
    bad = {"What is 3 plus 3?", "What is 7 plus 7?"}
    fake = Fake(lambda model, text: StatusError(400) if model == "big" and text in bad else "4")
    outcome = go(folder, fake)
    assert outcome.answered == {"tiny": 10, "big": 8}
    assert list(outcome.errors) == ["big"]
    assert sum(outcome.errors["big"].values()) == 2
    assert not outcome.gave_up
    again = Fake()
    assert go(folder, again).answered == {"big": 2}
    assert {text for _, text in again.asked} == bad
    assert folder.errors(SETUP) == {}


def test_an_error_text_never_becomes_an_answer(folder: PairFolder) -> None:
    go(folder, Fake(lambda model, text: StatusError(500)))
    assert all(answer.error and not answer.reply.text for answer in folder.answers(SETUP))
    assert folder.answered(SETUP) == set()


def test_an_answer_with_nothing_in_it_is_an_answer(folder: PairFolder) -> None:
    assert go(folder, Fake(lambda model, text: Reply("", "length"))).answered == {"tiny": 10, "big": 10}


def test_a_server_that_is_down_is_given_up_on_and_the_other_goes_on(folder: PairFolder) -> None:
    fake = Fake(lambda model, text: ConnectionRefusedError() if model == "tiny" else "4")
    outcome = go(folder, fake)
    assert outcome.gave_up
    assert outcome.stopped == {"tiny": "model 'tiny' cannot be reached (ConnectionRefusedError)"}
    assert outcome.answered == {"big": 10}
    assert sum(count for (model, _), count in fake.asked.items() if model == "tiny") == 5


@pytest.mark.parametrize(("status", "said"), [(401, "refuses the key"), (403, "refuses the key"), (404, "not found")])
def test_a_key_that_is_refused_or_a_model_that_is_gone_is_asked_once(
    folder: PairFolder, status: int, said: str
) -> None:
    fake = Fake(lambda model, text: StatusError(status) if model == "big" else "4")
    outcome = go(folder, fake)
    assert said in outcome.stopped["big"]
    assert sum(count for (model, _), count in fake.asked.items() if model == "big") == 1


# the budget


def test_the_budget_stops_before_the_call_that_might_break_it(folder: PairFolder) -> None:
    outcome = go(folder, Fake(), budget=1.35, parallel=4)  # a dollar at most each, ten cents in truth
    assert outcome.stopped["big"] == BUDGET
    assert outcome.answered["big"] == 4  # after the fourth .40 are spent, and 1.40 is too much
    assert folder.spent() == pytest.approx(0.4)


def test_what_is_in_flight_is_waited_for_before_the_budget_stops(folder: PairFolder) -> None:
    outcome = go(folder, Fake(seconds=0.002), budget=3.0, parallel=8)
    assert outcome.answered == {"tiny": 10, "big": 10}
    assert folder.spent() == pytest.approx(1.0)


def test_no_model_goes_beyond_the_prompts_for_which_there_is_money(folder: PairFolder) -> None:
    outcome = go(folder, Fake(seconds=0.002), budget=1.15)
    assert outcome.answered["big"] == 2
    assert outcome.answered["tiny"] <= 4


def test_a_larger_budget_goes_on_and_counts_what_was_spent(folder: PairFolder) -> None:
    go(folder, Fake(), budget=1.35)
    outcome = go(folder, Fake(), budget=1.55)
    assert outcome.answered["big"] == 2
    assert folder.spent() == pytest.approx(0.6)


def test_calls_that_failed_cost_nothing(folder: PairFolder) -> None:
    go(folder, Fake(lambda model, text: StatusError(500)), budget=5.0)
    assert folder.spent() == 0.0


# being stopped


def test_progress_is_told_after_each_answer(folder: PairFolder) -> None:
    seen: list[tuple[int, int]] = []
    go(folder, Fake(), tell=lambda progress: seen.append((progress.done, progress.total)))
    assert seen == [(n, 20) for n in range(1, 21)]


def test_an_interruption_keeps_what_came_and_closes_the_connections(folder: PairFolder) -> None:
    fake = Fake(seconds=0.001)

    def stop(progress) -> None:
        if progress.done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(folder, fake, tell=stop)
    assert len(folder.answered(SETUP)) == 7
    assert fake.closed == 2
    assert go(folder, fake).answered.keys() == {"tiny", "big"}
    assert max(fake.asked.values()) <= 2  # only what was in flight


def test_a_folder_that_cannot_be_written_ends_it_as_it_is(folder: PairFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **more: object) -> None:
        raise PairFolderError("The disk is full.")

    monkeypatch.setattr(folder, "store", full)
    fake = Fake(seconds=0.001)
    with pytest.raises(PairFolderError, match="disk is full"):
        go(folder, fake, parallel=4)
    assert sum(fake.asked.values()) <= 5
    assert fake.closed == 2
