"""Familiarity: a share of the training queries, worst of what a query is about and what it looks like."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.errors import DamagedFolderError
from hybrid_llm.scoring import UNFAMILIAR, Familiarity, distances


def measured(n=5000, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((2, n)).astype(np.float32)


def test_of_queries_like_those_of_training_one_in_a_hundred_is_unfamiliar():
    familiarity = Familiarity.measured(*measured())
    shares = familiarity.share(*measured(seed=1))
    assert np.mean(shares < UNFAMILIAR) == pytest.approx(0.01, abs=0.006)
    assert shares.mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("far", [(9.0, 0.1), (0.1, 9.0), (9.0, 9.0)])
def test_far_in_one_way_is_far(far):
    familiarity = Familiarity.measured(*measured())
    assert familiarity.share(*np.array(far, dtype=np.float32)[:, None])[0] == 0


@given(st.integers(1, 50))
def test_any_number_of_training_rows_gives_shares(n):
    shares = Familiarity.measured(*measured(n)).share(*measured(seed=1))
    assert ((shares >= 0) & (shares <= 1)).all()


def test_a_trip_through_tensors_changes_nothing():
    familiarity = Familiarity.measured(*measured())
    again = Familiarity.from_tensors(familiarity.tensors())
    assert (again.share(*measured(seed=1)) == familiarity.share(*measured(seed=1))).all()


def test_a_router_of_before_has_none():
    assert Familiarity.from_tensors({"weights": np.zeros(3)}) is None


@pytest.mark.parametrize("wrong", [[], [2.0, 1.0], [np.nan], [[1.0]]])
def test_what_is_no_list_of_quantiles_is_refused(wrong):
    good = np.array([0.0, 1.0], dtype=np.float32)
    with pytest.raises(DamagedFolderError, match="train the router again"):
        Familiarity(good, np.array(wrong, dtype=np.float32), good)


def test_the_nearest_of_few_landmarks_are_all_of_them():
    content, whole = distances(np.float32([[1.0, 3.0]]), np.float32([[1.0, 1.0]]), (0.5, 2.0))
    assert (content.tolist(), whole.tolist()) == ([1.0], [3.0])


def test_units_that_are_none_are_refused():
    tensors = Familiarity.measured(*measured()).tensors()
    with pytest.raises(DamagedFolderError, match="train the router again"):
        Familiarity.from_tensors(tensors | {"familiar_units": np.array([1.0, np.inf])})


@pytest.mark.parametrize("wrong", [[1, 2], 2.5, np.nan])
def test_a_number_of_strangers_that_is_none_is_refused(wrong):
    tensors = Familiarity.measured(*measured()).tensors()
    with pytest.raises(DamagedFolderError, match="train the router again"):
        Familiarity.from_tensors(tensors | {"familiar_strangers": np.array(wrong)})


@pytest.mark.parametrize(("to_strangers", "familiar"), [(0.1, False), (0.3, True)])
def test_what_is_nearer_to_strangers_than_to_the_others_is_unfamiliar(to_strangers, familiar):
    of_all = Familiarity.measured(*measured(), units=(0.5, 1.0))
    squared = np.float32([[0.4, 0.4, 2 * to_strangers, 2 * to_strangers]])
    text = np.float32([[0.02, 0.02, 0.0, 0.0]])
    share = replace(of_all, strangers=2).of(squared, text)
    assert share[0] == (of_all.of(squared[:, :2], text[:, :2])[0] if familiar else 0)


def test_strangers_take_the_trip_through_tensors_too():
    familiarity = replace(Familiarity.measured(*measured()), strangers=7)
    assert Familiarity.from_tensors(familiarity.tensors()).strangers == 7
    assert "familiar_strangers" not in Familiarity.measured(*measured()).tensors()
