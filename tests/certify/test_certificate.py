from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from hybrid_llm.certify import Certificate, Menu, Provenance, certify, certify_menu, percent
from hybrid_llm.errors import CertificateError, DamagedFolderError, NewerFormatError

PROVENANCE = Provenance(
    small="tiny-3b", large="giant", measured_by="exact match", data="support.jsonl, validation", router_id="abc"
)


def menu(n: int = 3000, max_drop: float = 0.04, **changes: str) -> Menu:
    rng = np.random.default_rng(0)
    scores = rng.random(n)
    small = np.where(rng.random(n) < 0.02 + 0.5 * (1 - scores) ** 2, 0.0, 1.0)
    return certify_menu(scores, small, np.ones(n), max_drop, provenance=replace(PROVENANCE, **changes))


def test_a_level_gets_the_certificate_that_keeps_it_and_saves_most():
    kept = menu()
    assert kept.for_quality(0.96) == kept.asked
    assert kept.for_quality(0.955) == kept.asked
    assert kept.for_quality(0.5).quality == 0.9
    assert kept.for_quality(1.0) is None


def test_a_level_stricter_than_anything_feasible_gets_nothing():
    assert menu(n=300).for_quality(0.99) is None


def test_a_void_menu_promises_nothing_and_says_so_first():
    void = menu(void_reason="212 of the rows were seen by training.")
    assert void.for_quality(0.9) is None
    assert void.as_dict()["void"] is True
    assert void.explain().startswith("VOID: 212 of the rows were seen by training. It promises nothing.")


@pytest.mark.parametrize("n", [10, 300, 3000])
def test_json_gives_back_the_same_menu(n):
    kept = menu(n)
    assert Menu.from_dict(json.loads(json.dumps(kept.as_dict(), allow_nan=False))) == kept


def test_json_has_the_public_names():
    data = menu().as_dict()
    public = {"feasible", "threshold", "cost_advantage", "max_drop", "confidence", "n", "menu", "needed_n"}
    assert public <= set(data)
    assert data["max_drop"] == 0.04
    assert {"quality", "drop_points", "drop_upper_bound", "method"} <= set(data["menu"][0])


@pytest.mark.parametrize(
    "damage",
    [
        {"menu": []},
        {"menu": None},
        {"menu": [{"feasible": True}]},
        {"max_drop": 0.5},
        {"provenance": {"void_reason": None}},
        {"provenance": 3},
        {"format_version": "one"},
    ],
)
def test_a_damaged_file_is_refused(damage):
    with pytest.raises(DamagedFolderError, match="hybrid-llm certify again"):
        Menu.from_dict(menu().as_dict() | damage)


@pytest.mark.parametrize(
    "damage",
    [
        {"feasible": "yes"},
        {"threshold": -1.0},
        {"threshold": float("nan")},
        {"confidence": 1.0},
        {"max_drop": "0.05"},
        {"cost_advantage": 1.2},
        {"n": 0},
        {"feasible": False},
    ],
)
def test_a_certificate_out_of_range_is_refused(damage):
    with pytest.raises(DamagedFolderError):
        Certificate.from_dict(menu().asked.as_dict() | damage)


def test_an_infeasible_certificate_cannot_carry_a_threshold():
    with pytest.raises(CertificateError, match="makes no sense"):
        replace(menu().asked, feasible=False)


def test_a_file_of_a_newer_format_is_named_as_such():
    with pytest.raises(NewerFormatError, match="newer version"):
        Menu.from_dict(menu().as_dict() | {"format_version": 2})


def test_the_explanation_names_pair_scorer_data_points_and_limits():
    text = menu().explain()
    for part in (
        *("tiny-3b", "giant", "exact match", "support.jsonl, validation", "3,000 distinct queries", "points"),
        *("Confidence 95 %", "average over distinct queries", "not of each single answer", "void when the pair"),
    ):
        assert part in text
    assert "quality level 0.99: " in text


def test_the_explanation_of_an_infeasible_level_says_what_would_do():
    text = menu(n=200, max_drop=0.01).explain()
    assert text.startswith("No promise at quality level 0.99. No threshold can be promised at 1 %")
    assert "like these would promise" in text


def test_a_certificate_prints_as_one_line():
    certificate = certify([0.9] * 100, [0.99] * 100, [1.0] * 100, 0.1)
    assert str(certificate) == (
        "quality level 0.9: send scores >= 0 to small, 100 % of the queries; measured drop 1 % (0.01 points)"
    )


def test_a_confidence_that_is_nearly_whole_is_not_told_as_100_percent():
    told = [percent(share) for share in (0.99954, 0.9999999, 1 - 1e-12, 1.0)]
    assert told == ["99.9 %", "99.9 %", "100 %", "100 %"]
