"""Which path an answer takes, and what is not kept."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hybrid_llm import Answer, Level
from hybrid_llm.errors import DamagedFolderError, LevelError, LookError
from hybrid_llm.look import Bound, Ladder, LookHead, Path, PathCalibration, SecondLook
from hybrid_llm.testing import FixedScorer

SURE, UNSURE = Answer("18", [-0.01]), Answer("18", [-3.0])


def path(head: LookHead, *, measured: bool = True, graded: bool = True) -> Path:
    s = np.linspace(0.0, 1.0, 101)
    ladder = Ladder.level(s)
    ones = np.ones(101)
    grades = ((s >= 0.5).astype(float), ones) if graded else ()
    return Path(head, ladder, PathCalibration.of(ladder, None, s, ones > 0, ones, *grades) if measured else None)


@pytest.fixture
def look() -> SecondLook:
    """Sees log-probabilities and a checker, with a path for each alone too; only the whole one is gated."""
    heads = [
        LookHead(("logprobs", "agreement:other"), (1.0, 4.0), -2.0),
        LookHead(("logprobs",), (1.0,)),
        LookHead(("agreement:other",), (4.0,), -2.0),
    ]
    bound = Bound("tiny", "big", ("other",), "r1", {"temperature": "0"})
    return SecondLook("trained", bound, {head.columns: path(head) for head in heads}, scorer=FixedScorer(0.5))


def test_an_answer_is_kept_when_its_score_reaches_the_threshold(look: SecondLook) -> None:
    plan = look.plan(Level("quality", 0.95))
    assert look.judge(plan, SURE, checker=Answer("18"), p=0.5).kept
    assert not look.judge(plan, UNSURE, checker=Answer("17"), p=0.5).kept


def test_an_answer_takes_the_path_of_what_can_be_seen(look: SecondLook) -> None:
    plan = look.plan(Level("quality", 0.95))
    scores = [look.judge(plan, SURE, checker=checker, p=0.5).score for checker in (Answer("18"), None)] + [
        look.judge(plan, Answer("18"), checker=Answer("18"), p=0.5).score
    ]
    assert len(set(scores)) == 3


def test_an_answer_of_which_nothing_can_be_seen_is_not_kept(look: SecondLook) -> None:
    found = look.judge(look.plan(Level("quality", 0.5)), Answer("18"), p=0.9)
    assert (found.score, found.threshold, found.kept) == (None, None, False)


def test_signals_without_thresholds_of_their_own_do_not_decide(look: SecondLook) -> None:
    paths = {columns: one for columns, one in look.paths.items() if len(columns) > 1}
    found = look.with_parts(paths=paths).judge(look.plan(Level("quality", 0.5)), SURE, p=0.9)
    assert not found.kept


def test_a_rejected_answer_is_not_kept_however_sure(look: SecondLook) -> None:
    found = look.judge(look.plan(Level("quality", 0.5)), SURE, checker=Answer("18"), p=0.9, rejected="cut_off")
    assert (found.rejected, found.kept) == ("cut_off", False)


def test_a_query_below_the_gate_of_its_path_is_not_kept(look: SecondLook) -> None:
    columns = look.columns
    gated = Path(look.paths[columns].head, Ladder((0.6,), (0.1,)), PathCalibration(1, ()))
    gated = Path(
        gated.head,
        gated.ladder,
        PathCalibration.of(gated.ladder, np.ones(1), np.ones(1), np.ones(1) > 0, np.ones(1), np.ones(1), np.ones(1)),
    )
    look = look.with_parts(paths={columns: gated})
    plan = look.plan(Level("quality", 0.9))
    assert plan.gate == 0.6
    assert not look.judge(plan, SURE, checker=Answer("18"), p=0.59).kept
    assert look.judge(plan, SURE, checker=Answer("18"), p=0.6).kept
    assert look.judge(plan, SURE, checker=Answer("18"), p=None).kept  # unfamiliar: the gate is skipped, not the look


def test_a_threshold_is_about_the_query_alone(look: SecondLook) -> None:
    with pytest.raises(LevelError, match="query alone"):
        look.plan(Level("threshold", 0.5))


def test_a_stricter_level_keeps_no_more(look: SecondLook) -> None:
    shares = [look.plan(Level("quality", quality)).cost_advantage for quality in (0.99, 0.95, 0.9, 0.7)]
    assert shares == sorted(shares)


def test_who_insists_on_a_proof_gets_large(look: SecondLook) -> None:
    plan = look.plan(Level("quality", 0.9), require_certified=True)
    assert (plan.gate, plan.certified) == (2.0, False)
    assert not look.judge(plan, SURE, checker=Answer("18"), p=0.9).kept


@pytest.mark.parametrize(
    ("form", "graded", "measured", "says"),
    [
        ("logprobs", False, True, "cost_advantage="),
        ("logprobs", False, False, "calibrate --unlabelled prompts.txt --small tiny"),
        ("trained", True, False, "calibrate ROWS"),
    ],
)
def test_a_level_that_nobody_measured_names_the_command(form: str, graded: bool, measured: bool, says: str) -> None:
    one = path(LookHead(("logprobs",), (1.0,)), measured=measured, graded=graded)
    look = SecondLook(form, Bound("tiny"), {("logprobs",): one})
    with pytest.raises(LevelError, match=says):
        look.plan(Level("quality", 0.9))


def test_it_scores_an_answer(look: SecondLook) -> None:
    agreed = look.score("What is 9+9?", SURE, checker=Answer("The answer is 18."))
    assert agreed > look.score("What is 9+9?", SURE, checker=Answer("17"))
    assert look.score("What is 9+9?", SURE, checker={"other": [Answer("18"), Answer("17")]}) < agreed
    with pytest.raises(LookError, match="Nothing to look at"):
        look.score("What is 9+9?", Answer("18"))


def test_an_answer_without_a_name_needs_one_checker(look: SecondLook) -> None:
    several = look.with_parts(bound=Bound("tiny", "big", ("other", "third")))
    with pytest.raises(LookError, match="name: answer"):
        several.signals(SURE, checker=Answer("18"))


def test_it_is_kept_as_json_and_read_again(look: SecondLook) -> None:
    read = SecondLook.from_dict(json.loads(json.dumps(look.as_dict())))
    assert (read.id, read.as_dict()) == (look.id, look.as_dict())
    plan = look.plan(Level("quality", 0.9))
    assert read.judge(plan, SURE, checker=Answer("18")) == look.judge(plan, SURE, checker=Answer("18"))


@pytest.mark.parametrize(
    "change",
    [
        {"n": "many"},
        {"graded": "yes"},
        {"small_quality": 7},
        {"large_quality": "all"},
        {"cuts": []},
    ],
)
def test_damaged_levels_are_refused(look: SecondLook, change: dict) -> None:
    data = look.as_dict()
    data["paths"][0]["calibration"] = {**data["paths"][0]["calibration"], **change}
    with pytest.raises(DamagedFolderError):
        SecondLook.from_dict(data)


@pytest.mark.parametrize(
    "change",
    [
        {"form": "magic"},
        {"paths": []},
        {"paths": [{}]},
        {"bound": {"small": 3, "checkers": [], "settings": {}}},
        {"bound": "tiny"},
    ],
)
def test_a_damaged_look_is_refused(look: SecondLook, change: dict) -> None:
    with pytest.raises(DamagedFolderError):
        SecondLook.from_dict({**look.as_dict(), **change})


def test_weights_never_turn_against_a_signal() -> None:
    with pytest.raises(DamagedFolderError):
        LookHead(("logprobs",), (-1.0,))


def test_what_it_is_bound_to_is_compared_with_what_is_asked() -> None:
    bound = Bound("tiny", "big", ("other",), settings={"temperature": "0"})
    assert bound.differs(small="tiny", checkers=["other"], settings={"temperature": "0", "seed": "1"}) == ""
    assert "small model" in bound.differs(small="tinier")
    assert "checkers" in bound.differs(checkers=[])
    assert "temperature" in bound.differs(settings={"temperature": "1"})
    assert "temperature" in bound.differs(settings={"temperature": 10**400})  # no float holds it
    assert bound.differs(small="ollama:tiny@http://127.0.0.1:11434", checkers=["other:latest"]) == ""


def test_the_heads_of_one_and_of_many_agree(look: SecondLook) -> None:
    head = look.paths[look.columns].head
    values = {name: np.linspace(-5, 5, 7) for name in head.columns}
    one = [head.score({name: float(column[i]) for name, column in values.items()}) for i in range(7)]
    assert head.scores(values) == pytest.approx(one)
