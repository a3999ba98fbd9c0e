"""Few rows: a head that is fitted to all of them, with thresholds from left-out scores, and never a certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid_llm import QualityTable, Router
from hybrid_llm.errors import CertificateError, ConfigError
from hybrid_llm.level import Level
from hybrid_llm.router import model_card, warn_before_judging
from hybrid_llm.training import TrainConfig, train
from tests.small_table import make_rows

ALL = TrainConfig(all_rows=True)


@pytest.fixture(scope="module")
def few(encoder: Any) -> Router:
    table = QualityTable.from_rows(make_rows(120))
    return train(table, small="small", large="large", config=ALL, encoder=encoder)


def test_every_row_is_fitted_to_whatever_its_split(few: Router) -> None:
    pair = QualityTable.from_rows(make_rows(120)).pair("small", "large")
    assert few.record is not None
    assert few.record.n_fit == 120
    assert few.record.count_seen(pair.ids, pair.queries) == 120


def test_thresholds_come_from_scores_of_fits_that_leave_the_row_out(few: Router) -> None:
    pair = QualityTable.from_rows(make_rows(120)).pair("small", "large")
    assert few.calibration is not None
    assert few.calibration.n == 120
    assert few.calibration.note == "each row was scored by a fit that leaves it out"
    # On its own training rows a head looks better than it is: the left-out scores must not.
    seen = few.override(calibration=None).calibrate
    with pytest.warns(match="seen in training"):
        flattered = seen(pair).calibration
    assert flattered is not None
    level = Level("quality", 0.95)
    assert few.calibration.cut(level).cost_advantage < flattered.cut(level).cost_advantage


def test_no_split_is_advised_to_judge_a_router_that_saw_them_all(few: Router) -> None:
    with pytest.warns(match="only new ones can judge it"):
        warn_before_judging(few.parts, QualityTable.from_rows(make_rows(120)).pair("small", "large"))


def test_the_record_and_the_card_say_so_after_loading_too(few: Router, tmp_path: Path) -> None:
    few.save(tmp_path / "router")
    loaded = Router.load(tmp_path / "router")
    assert loaded.record is not None
    assert loaded.record.all_rows
    card = model_card(loaded.parts)
    assert "None, and none can be made: the router was fitted to all rows that there were" in card
    assert "each row was scored by a fit that leaves it out" in card
    assert "--split test" not in card


@pytest.mark.slow
def test_it_is_never_certified_not_even_with_rows_that_it_has_not_seen(few: Router) -> None:
    fresh = QualityTable.from_rows(make_rows(400, seed=1)).pair("small", "large")
    with pytest.raises(
        CertificateError, match=r"fitted to all 120 rows .* Train again with a split .* about 200 graded"
    ):
        few.certify(fresh)
    void = few.certify(fresh, allow_leak=True).certificate
    assert void is not None
    assert void.provenance.void_reason.startswith("This router was fitted to all 120 rows")


def test_a_router_with_a_split_says_nothing_of_all_rows(trained: Router) -> None:
    assert trained.record is not None
    assert not trained.record.all_rows


def test_fine_tuning_cannot_leave_rows_out() -> None:
    with pytest.raises(ConfigError, match="all_rows belongs to the recipe head"):
        TrainConfig(recipe="full", encoder="some/model", all_rows=True)


@pytest.mark.slow
def test_one_level_alone_is_tested_at_the_whole_confidence(trained: Router) -> None:
    fresh = QualityTable.from_rows(make_rows(400, seed=2)).pair("small", "large")
    alone = trained.certify(fresh, max_drop=0.1, menu=False).certificate
    beside = trained.certify(fresh, max_drop=0.1).certificate
    assert alone is not None
    assert beside is not None
    assert [certificate.quality for certificate in alone.certificates] == [0.9]
    assert (alone.asked.together, beside.asked.together) == (1, 5)
    assert alone.asked.cost_advantage >= beside.asked.cost_advantage
    assert np.isclose(alone.asked.confidence, 0.95)
