"""What of the recipe ``full`` can be said without training: its settings, its head, where its network runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hybrid_llm.errors import ConfigError, DamagedFolderError, EncoderError
from hybrid_llm.scoring import Encoder, LogitHead, NetworkScorer
from hybrid_llm.training import TrainConfig
from hybrid_llm.training.full.serving import agreement, check_scores

WRONG: list[dict[str, Any]] = [
    {"epochs": 0},
    {"learning_rate": 0.0},
    {"learning_rate": float("nan")},
    {"batch_size": 0},
    {"device_batch_size": 256},
    {"max_length": 2},
    {"warmup": 1.0},
    {"weight_decay": -1.0},
    {"layer_decay": 0.0},
    {"layer_decay": 1.5},
    {"dropout": 1.0},
    {"max_grad_norm": 0.0},
    {"pooling": "max"},
    {"frozen_layers": -1},
    {"early_stop": -1},
    {"precision": "fp8"},
    {"checkpoint_minutes": -1.0},
]


def test_agreement_counts_decisions_at_nine_thresholds() -> None:
    scores = np.linspace(0, 1, 101)
    assert agreement(scores, scores) == 1.0
    assert agreement(1 - scores, scores) < 0.5
    with pytest.raises(EncoderError, match=r"differ from torch's by 2\.0e-03"):
        check_scores(scores, scores + 0.002)


def test_a_setting_out_of_range_is_refused() -> None:
    for wrong in WRONG:
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            TrainConfig(recipe="full", encoder="x", **wrong)


def test_a_head_that_cannot_come_from_training_is_refused(encoder: Encoder) -> None:
    for wrong in ({"slope": 0.0}, {"slope": float("nan")}, {"offset": float("inf")}):
        with pytest.raises(DamagedFolderError):
            LogitHead(**wrong)
    with pytest.raises(DamagedFolderError, match="lacks offset"):
        LogitHead.from_tensors({"slope": np.array(1.0)})
    with pytest.raises(DamagedFolderError, match="no logit"):
        NetworkScorer(encoder, LogitHead())


@pytest.mark.parametrize(
    ("offered", "int8", "expected"),
    [
        (["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"], False, ["CUDA", "CPU"]),
        (["CUDAExecutionProvider", "CPUExecutionProvider"], True, ["CPU"]),
        (["CPUExecutionProvider"], False, ["CPU"]),
    ],
)
def test_a_network_runs_on_a_gpu_when_onnx_runtime_offers_one(
    monkeypatch: pytest.MonkeyPatch, offered: list[str], int8: bool, expected: list[str]
) -> None:
    from hybrid_llm.scoring import network

    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: offered)
    assert network._providers(on_gpu=not int8) == [f"{name}ExecutionProvider" for name in expected]
