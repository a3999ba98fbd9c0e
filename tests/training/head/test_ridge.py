"""Kernel ridge regression against the textbook formulas."""

import numpy as np
import pytest

from hybrid_llm.scoring import gaussian_kernel
from hybrid_llm.training.head.ridge import LINEAR, KernelRidge


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(60, 3)).astype(np.float32)
    targets = np.sin(inputs[:, :1]) + 0.1 * rng.normal(size=(60, 1))
    return inputs, targets


def predict(inputs, landmarks, targets, ridge, at, linear=LINEAR):
    problem = KernelRidge(inputs, landmarks, linear)
    weights, bias = problem.solve(targets, ridge)
    return problem.design(at) @ weights + bias


def test_with_every_row_a_landmark_it_is_kernel_ridge_on_the_centred_kernel(problem):
    inputs, targets = problem
    kernel = gaussian_kernel(inputs, inputs).astype(float)
    assert predict(inputs, inputs, targets, 0.5, inputs, linear=0).mean() == pytest.approx(targets.mean())
    exact = kernel @ np.linalg.solve(kernel + 0.5 * np.eye(60), targets - targets.mean()) + targets.mean()
    assert np.corrcoef(predict(inputs, inputs, targets, 0.5, inputs, linear=0)[:, 0], exact[:, 0])[0, 1] > 0.995


def test_left_out_predictions_equal_fits_without_the_row(problem):
    inputs, targets = problem
    landmarks = inputs[:20]
    left_out = KernelRidge(inputs, landmarks).left_out(targets, 0.5)
    for i in (0, 7, 30, 59):
        rest = np.arange(60) != i
        alone = predict(inputs[rest], landmarks, targets[rest], 0.5, inputs[i : i + 1])
        assert left_out[i] == pytest.approx(alone[0], abs=1e-6)


def test_the_linear_part_goes_on_where_no_landmark_is_near(problem):
    inputs, _ = problem
    targets = inputs[:, :1].astype(float)
    far = np.array([[-30, 0, 0], [30, 0, 0]], dtype=np.float32)
    without, with_it = (predict(inputs, inputs, targets, 0.1, far, linear=c)[:, 0] for c in (0, LINEAR))
    assert without[0] == pytest.approx(without[1])
    assert with_it[1] - with_it[0] > 5
