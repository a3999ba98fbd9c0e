"""Settings are checked where they are made."""

import pytest

from hybrid_llm.errors import ConfigError
from hybrid_llm.training import TrainConfig


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": "hard"},
        {"recipe": "magic"},
        {"label": "trans", "t": -0.1},
        {"label": "trans", "t": float("nan")},
        {"label": "prob", "t": 0.1},
        {"heldout": 0.0},
        {"heldout": 1.0},
        {"landmarks": 0},
        {"min_heldout": 0},
        {"ridges": ()},
        {"ridges": (0.0,)},
        {"embedding_gammas": (-1.0,)},
        {"text_gammas": (float("inf"),)},
        {"gap_weights": (float("nan"),)},
    ],
)
def test_a_setting_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigError):
        TrainConfig(**wrong)
