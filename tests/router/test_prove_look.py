"""The promise for the path: which answers it counts, which it leaves out, and each guard that keeps it honest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path as FilePath

import numpy as np
import pytest

from hybrid_llm import HybridLLMWarning, QualityTable, Router
from hybrid_llm.errors import CertificateError, DamagedFolderError
from hybrid_llm.level import Level
from hybrid_llm.look import Bound, Ladder, LookHead, LookRows, Path, SecondLook
from hybrid_llm.router.looking import prove_look
from hybrid_llm.scoring import Encoder
from hybrid_llm.testing import FixedScorer

AGREES = "agreement:checker"
COLUMNS = ("query", AGREES)
GATED = Ladder(gates=(0.5, 0.3), thresholds=(0.7, 0.7))
"""Two rungs: p >= 0.5 and the checker agrees; p >= 0.3 and it agrees."""


def look_of(ladder: Ladder = GATED, router_id: str = "fixed") -> SecondLook:
    path = Path(LookHead(COLUMNS, (0.0, 4.0), -2.0), ladder)  # s is .88 where the checker agrees, .12 where it does not
    return SecondLook("trained", Bound("tiny", "big", ("checker",), router_id), {COLUMNS: path})


def rows_of(n: int, **columns) -> LookRows:
    """n answers to n queries, all good, familiar and agreed with, but for what is said."""
    usual = {
        "query": np.arange(n),
        "p": np.full(n, 0.9),
        "known": np.ones(n, dtype=bool),
        "columns": {AGREES: np.ones(n)},
        "usable": np.ones(n, dtype=bool),
        "seen": np.ones(n, dtype=bool),
        "small": np.ones(n),
        "large": np.ones(n),
    }
    return LookRows(**{**usual, **columns})


def answered(number: int, sure: bool = True, right: bool | None = None, **changes):
    """One row of a table: tiny says 4, and the checker too if it is sure; big is right."""
    return {
        "id": f"{changes.get('split', 'new')}-{number}",
        "query": f"What is {number} plus {number}?",
        "quality": {"tiny": [float(sure if right is None else right)], "big": [1.0]},
        "answers": {"tiny": ["4"], "checker": ["4" if sure else "5"]},
        "split": "new",
        **changes,
    }


def table_of(n: int = 400, **changes) -> QualityTable:
    """Every second answer is agreed with and right, the others are wrong."""
    return QualityTable.from_rows([answered(i, sure=i % 2 == 0, **changes) for i in range(n)])


def proved(rows: LookRows, look: SecondLook | None = None, **options):
    router, pair = Router(FixedScorer(0.9)), table_of(int(rows.query.max()) + 1).pair("tiny", "big")
    usual = {"max_drop": 0.05, "confidence": 0.95, "data": "rows", "measured_by": "exact match", "void_reason": ""}
    return prove_look(router.parts, look or look_of(), rows, pair, **{**usual, **options})


def half(n: int) -> np.ndarray:
    return np.arange(n) % 2 == 0


def worse(n: int, which: np.ndarray) -> np.ndarray:
    """Qualities of small: a little worse than large on one query, and 0 on some."""
    small = np.where(which, 0.0, 1.0)
    small[1] = 0.99  # no better than large, or routing would need no promise
    return small


# ---- what counts as kept --------------------------------------------------------------------------------------------


def test_an_answer_that_passes_all_is_kept():
    menu = proved(rows_of(400, small=worse(400, np.zeros(400, bool))))
    assert menu.asked.feasible
    assert menu.asked.cost_advantage == 1.0


NEVER_KEPT = {
    "unfamiliar": lambda n: {"known": ~half(n)},
    "below the gate": lambda n: {"p": np.where(half(n), 0.29, 0.9)},
    "rejected by a check": lambda n: {"usable": ~half(n)},
    "below the threshold": lambda n: {"columns": {AGREES: np.where(half(n), 0.0, 1.0)}},
}


@pytest.mark.parametrize("why", NEVER_KEPT)
def test_an_answer_that_lacks_one_of_them_is_large_s(why):
    n = 800
    menu = proved(rows_of(n, small=worse(n, half(n)), **NEVER_KEPT[why](n)), max_drop=0.02)
    assert menu.asked.feasible  # all that would be lost is where small is not shown
    assert menu.asked.n == n
    assert menu.asked.cost_advantage == 0.5
    assert menu.asked.drop < 0.001


def test_the_same_answers_are_not_promised_where_nothing_holds_them_back():
    assert not proved(rows_of(800, small=worse(800, half(800))), max_drop=0.02).asked.feasible


def test_gates_that_fall_are_walked_from_the_strictest_down():
    p = np.where(half(800), 0.4, 0.9)  # kept from the second rung on, and wrong there
    menu = proved(rows_of(800, p=p, small=worse(800, half(800))), max_drop=0.02)
    assert (menu.asked.threshold, menu.asked.cost_advantage) == (1.0, 0.5)
    loose = proved(rows_of(800, p=p, small=worse(800, np.zeros(800, bool))), max_drop=0.02)
    assert (loose.asked.threshold, loose.asked.cost_advantage) == (0.5, 1.0)


def test_of_several_answers_to_a_query_each_counts_by_itself():
    n = 400
    rows = rows_of(
        2 * n,
        query=np.repeat(np.arange(n), 2),
        columns={AGREES: np.tile([1.0, 0.0], n)},
        small=worse(2 * n, np.tile([False, True], n)),
    )
    menu = proved(rows, max_drop=0.02)
    assert menu.asked.feasible
    assert (menu.asked.n, menu.asked.cost_advantage) == (n, 0.5)


# ---- what is left out -----------------------------------------------------------------------------------------------

GAPS = {
    "the checker did not answer": lambda n: {"columns": {AGREES: np.where(half(n), np.nan, 1.0)}},
    "nobody kept the answer": lambda n: {"seen": ~half(n), "columns": {AGREES: np.where(half(n), np.nan, 1.0)}},
}


@pytest.mark.parametrize("why", GAPS)
def test_answers_with_gaps_are_left_out_and_that_is_said(why):
    n = 800
    menu = proved(rows_of(n, small=worse(n, half(n)), **GAPS[why](n)), max_drop=0.02)
    assert menu.asked.n == n // 2
    assert menu.asked.cost_advantage == 1.0  # of those that it speaks of
    assert "400 of 800 answers that do not show all that the look reads were left out" in menu.provenance.data


def test_a_table_in_which_the_checker_answered_a_tenth_does_not_thin_the_drop_of_the_others():
    n = 4000
    asked = np.arange(n) % 10 == 0
    small = np.where(np.arange(n) % 100 == 0, 0.0, 1.0)  # of those that were asked small loses a tenth
    rows = rows_of(n, small=small, columns={AGREES: np.where(asked, 1.0, np.nan)})
    assert small[asked].mean() == pytest.approx(0.9)
    assert not proved(rows, max_drop=0.05).asked.feasible


def test_what_a_check_rejects_is_large_s_whatever_it_shows():
    n = 800
    columns = {AGREES: np.where(half(n), np.nan, 1.0)}
    menu = proved(rows_of(n, small=worse(n, half(n)), usable=~half(n), columns=columns), max_drop=0.02)
    assert (menu.asked.n, menu.asked.cost_advantage) == (n, 0.5)
    assert "left out" not in menu.provenance.data


def test_without_one_answer_that_shows_all_there_is_a_warning_and_no_certificate():
    with pytest.warns(HybridLLMWarning, match=r"None of the 40 answers shows all .*agreement:checker.*collect"):
        assert proved(rows_of(40, columns={AGREES: np.full(40, np.nan)})) is None


# ---- Router.certify -------------------------------------------------------------------------------------------------


@pytest.fixture
def looking() -> Router:
    return Router(FixedScorer(0.9), looks={"trained": look_of()})


def certificate_of(router: Router):
    look = router.second_look
    assert look is not None
    assert look.certificate is not None
    return look.certificate


def test_the_path_gets_a_certificate_of_its_own_beside_that_of_the_queries(looking):
    router = looking.certify(table_of(), small="tiny", large="big", measured_by="exact match", data="mine.jsonl")
    path = certificate_of(router)
    assert not router.certificate.asked.feasible  # every score is the same
    assert (path.asked.feasible, path.asked.cost_advantage) == (True, 0.5)
    origin = path.provenance
    assert (origin.small, origin.large, origin.measured_by, origin.data) == ("tiny", "big", "exact match", "mine.jsonl")
    assert (origin.router_id, origin.look_id) == (router.id, router.second_look.id)
    assert "answers of tiny shown that pass the second look" in path.explain()


def test_the_menus_of_the_path_and_of_the_queries_hold_all_at_once(looking):
    menu = certificate_of(looking.certify(table_of(), small="tiny", large="big", max_drop=0.04))
    assert {certificate.together for certificate in menu.certificates} == {12}  # six of the path, six of the queries
    alone = certificate_of(looking.certify(table_of(), small="tiny", large="big", max_drop=0.04, menu=False))
    assert [certificate.together for certificate in alone.certificates] == [2]


def test_equal_texts_are_one_query_of_the_path_too(looking):
    copies = [answered(i, sure=i % 2 == 0, id=f"again-{i}") for i in range(100)]
    table = QualityTable.from_rows([*(answered(i, sure=i % 2 == 0) for i in range(400)), *copies])
    assert certificate_of(looking.certify(table, small="tiny", large="big")).asked.n == 400


def test_ungraded_rows_are_said_in_the_provenance(looking):
    ungraded = [answered(i, quality={"big": [1.0]}) for i in range(400, 430)]
    table = QualityTable.from_rows([*(answered(i, sure=i % 2 == 0) for i in range(400)), *ungraded])
    origin = certificate_of(looking.certify(table, small="tiny", large="big")).provenance
    assert "30 rows without grades of both models were left out" in origin.data


@pytest.mark.parametrize("changes", [{"answers": {}}, {"answers": {"tiny": ["4"]}}])
def test_rows_without_the_answers_certify_the_queries_alone(looking, changes):
    router = looking.certify(table_of(**changes), small="tiny", large="big")
    assert router.certificate is not None
    assert router.second_look.certificate is None


def test_a_proved_level_is_served_as_certified(looking):
    router = looking.certify(table_of(), small="tiny", large="big")
    plan = router.second_look.plan(Level("quality", 0.95))
    assert plan.certified
    assert plan.gate == 0.3
    assert not router.second_look.plan(Level("quality", 0.999), require_certified=True).certified


# ---- guards ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def looking_trained(trained: Router) -> Router:
    look = look_of(Ladder((0.0,), (0.7,)), trained.id)
    return trained.override(looks={"trained": look.with_parts(bound=replace(look.bound, small="small", large="large"))})


def with_answers(table: QualityTable) -> QualityTable:
    pair = table.pair("small", "large")
    return QualityTable.from_rows(
        {
            "id": pair.ids[i],
            "query": pair.queries[i],
            "quality": {"small": [*map(float, pair.q_small[i])], "large": [*map(float, pair.q_large[i])]},
            "answers": {"small": ["4"], "checker": ["4" if pair.mean_small[i] else "5"]},
            "split": pair.row_splits[i],
        }
        for i in range(len(pair))
    )


def test_rows_that_training_saw_prove_nothing_for_the_path_either(looking_trained, table):
    with pytest.raises(CertificateError, match="rows were seen by fitting or choosing"):
        looking_trained.certify(with_answers(table), small="small", large="large")


def test_a_leak_that_is_allowed_makes_the_path_s_certificate_void(looking_trained, table):
    router = looking_trained.certify(with_answers(table), small="small", large="large", max_drop=0.2, allow_leak=True)
    path = certificate_of(router)
    assert path.provenance.void_reason.startswith("Fitting or choosing saw")
    assert path.for_quality(0.8) is None


def test_the_certificate_of_another_look_is_refused(looking_trained, table, encoder, tmp_path: FilePath, monkeypatch):
    monkeypatch.setattr(Encoder, "load", lambda path=None: encoder)
    rows = with_answers(table)
    router = looking_trained.certify(rows, small="small", large="large", max_drop=0.2, allow_leak=True)
    router.save(tmp_path / "good")
    again = Router.load(tmp_path / "good").second_look
    assert again.certificate == certificate_of(router)
    look = router.second_look
    other = replace(look, bound=replace(look.bound, checkers=("another",)), scorer=None)
    router.override(looks={"trained": other}).save(tmp_path / "bad")
    with pytest.raises(DamagedFolderError, match="not of the second look beside it; certify again"):
        Router.load(tmp_path / "bad")


CHANGED = {
    "checkers": lambda look: look.with_parts(bound=replace(look.bound, checkers=("another",))),
    "settings": lambda look: look.with_parts(bound=replace(look.bound, settings={"temperature": "0.7"})),
    "small": lambda look: look.with_parts(bound=replace(look.bound, small="another")),
    "weights": lambda look: look.with_parts(
        paths={COLUMNS: replace(look.paths[COLUMNS], head=LookHead(COLUMNS, (0.0, 5.0), -2.0))}
    ),
    "rungs": lambda look: look.with_parts(paths={COLUMNS: replace(look.paths[COLUMNS], ladder=Ladder((0.0,), (0.5,)))}),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_look_with_other_parts_is_another_look_and_promises_nothing(looking, what):
    look = looking.certify(table_of(), small="tiny", large="big").second_look
    other = CHANGED[what](look)
    assert other.id != look.id
    assert other.certificate is None


def test_levels_measured_again_leave_the_certificate_standing(looking):
    router = looking.certify(table_of(), small="tiny", large="big")
    again = router.calibrate_look(table_of(), small="tiny", large="big")
    assert again.second_look.id == router.second_look.id
    assert certificate_of(again) == certificate_of(router)
