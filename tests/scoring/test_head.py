"""The head: monotone, inside (0, 1), the same after a trip through the disk."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.errors import DamagedFolderError
from hybrid_llm.scoring import Familiarity, Head, gaussian_kernel, squash


def head(m=5, d=4, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "shift": rng.normal(size=d),
        "scale": rng.random(d),
        "landmarks": rng.normal(size=(m, d)).astype(np.float16),
        "weights": rng.normal(size=m),
    }
    arrays = {name: values.astype(np.float32) for name, values in arrays.items()}
    return Head(**{**arrays, "bias": 0.1, "slope": 2.0, "offset": -0.3, **changes})


def test_the_formula_of_the_docstring():
    h, x = head(), np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    u = (x - h.shift) * h.scale
    kernel = np.exp(-np.square(u[:, None] - h.landmarks[None]).sum(axis=2))
    assert h.raw(x) == pytest.approx(kernel @ h.weights + 0.1, abs=1e-5)
    assert h.score(x) == pytest.approx(1 / (1 + np.exp(-(2 * h.raw(x) - 0.3))), abs=1e-5)


def test_a_trip_through_tensors_changes_no_score():
    h, x = head(), np.random.default_rng(2).normal(size=(20, 4)).astype(np.float32)
    assert (Head.from_tensors(h.tensors()).score(x) == h.score(x)).all()


@given(st.lists(st.floats(-25, 25), min_size=2, max_size=20, unique=True))
def test_squash_makes_no_ties_and_stays_inside(logits):
    ordered = np.sort(np.array(logits))
    apart = np.concatenate([[True], np.diff(ordered) > 1e-3])
    scores = squash(ordered[apart])
    assert (np.diff(scores) > 0).all()
    assert ((scores > 0) & (scores < 1)).all()


@given(st.floats(allow_nan=False))
def test_squash_stays_inside_for_any_number(logit):
    assert 0 < squash(np.array([logit]))[0] < 1


def test_the_kernel_is_one_at_distance_zero():
    rows = np.random.default_rng(3).normal(size=(4, 3)).astype(np.float32)
    assert np.diag(gaussian_kernel(rows, rows)) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"slope": 0.0},
        {"slope": float("nan")},
        {"weights": np.zeros(3, dtype=np.float32)},
        {"scale": np.zeros(3, dtype=np.float32)},
        {"shift": np.array([np.inf] * 4, dtype=np.float32)},
        *(
            {"familiarity": replace(Familiarity.measured(*np.ones((2, 3), dtype=np.float32)), strangers=strangers)}
            for strangers in (100, -1)
        ),
    ],
)
def test_weights_that_cannot_come_from_training_are_refused(changes):
    with pytest.raises(DamagedFolderError):
        head(**changes)


def test_a_missing_array_is_named():
    tensors = head().tensors()
    del tensors["weights"]
    with pytest.raises(DamagedFolderError, match="weights"):
        Head.from_tensors(tensors)


def newer(m=5, d=20):
    rng = np.random.default_rng(4)
    distances = rng.random((2, 50)).astype(np.float32)
    linear = rng.normal(size=d).astype(np.float32)
    return head(m, d, version=2, linear=linear, limit=0.5, familiarity=Familiarity.measured(*distances))


def test_no_text_feature_takes_a_query_farther_than_the_limit():
    h, x = newer(), np.zeros((2, 20), dtype=np.float32)
    x[:, -1] = 1e3, 1e6
    assert np.abs(h.inputs(x)[:, -1]).tolist() == [0.5, 0.5]
    assert h.score(x)[0] == h.score(x)[1]


def test_far_from_all_landmarks_the_linear_part_tells_queries_apart():
    h, x = newer(), np.zeros((2, 20), dtype=np.float32)
    x[:, 0] = 1e3, 2e3
    assert gaussian_kernel(h.inputs(x), h.landmarks).max() == 0
    assert h.raw(x)[0] != h.raw(x)[1]


def test_the_newer_parts_take_the_trip_through_tensors_too():
    h, x = newer(), np.random.default_rng(2).normal(size=(20, 20)).astype(np.float32)
    again = Head.from_tensors(h.tensors())
    assert (again.score(x) == h.score(x)).all()
    assert (again.version, again.limit) == (2, 0.5)
    assert again.familiarity is not None


def test_a_head_of_before_is_stored_as_before():
    assert set(head().tensors()) == {"shift", "scale", "landmarks", "weights", "bias", "slope", "offset"}
