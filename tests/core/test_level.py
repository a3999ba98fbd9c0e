"""A level is checked where it is made."""

from decimal import Decimal

import numpy as np
import pytest

from hybrid_llm import Level
from hybrid_llm.certify import certify
from hybrid_llm.errors import CertificateError, LevelError


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("quality", 0.0),
        ("quality", 2),
        ("quality", -0.1),
        ("quality", float("nan")),
        ("quality", True),
        ("quality", "high"),
        ("cost_advantage", 1.01),
        ("cost_advantage", -0.01),
        ("threshold", 2.1),
        ("threshold", float("inf")),
        ("speed", 0.5),
    ],
)
def test_a_level_out_of_range_is_refused_with_the_range(kind, value):
    with pytest.raises(LevelError, match=kind):
        Level(kind, value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("quality", 1.0),
        ("quality", 1e-6),
        ("cost_advantage", 0),
        ("cost_advantage", 1),
        ("threshold", 0),
        ("threshold", 2),
    ],
)
def test_the_ends_of_the_ranges_are_levels(kind, value):
    assert Level(kind, value).value == value


def test_two_levels_at_once_are_refused_by_name():
    with pytest.raises(LevelError, match="quality and threshold"):
        Level.of(quality=0.9, threshold=0.5)


def test_no_option_is_no_level():
    assert Level.of() is None


def test_numbers_in_text_become_numbers():
    assert Level("quality", "0.9") == Level("quality", 0.9)


NO_NUMBERS = [
    10**400,
    -(10**400),
    10**5000,
    "9" * 5000,
    float("nan"),
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("1e999999"),
    True,
    np.True_,
    np.float16("nan"),
    np.array([0.5]),
    [0.5],
    0.5j,
    object(),
]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=range(len(NO_NUMBERS)))
class TestWhatIsNoNumberOrTooBig:
    @pytest.mark.parametrize("kind", ["quality", "cost_advantage", "threshold"])
    def test_is_no_level_and_the_message_stays_short(self, kind, value):
        with pytest.raises(LevelError, match=kind) as error:
            Level(kind, value)
        assert len(str(error.value)) < 200

    @pytest.mark.parametrize("name", ["max_drop", "confidence"])
    def test_is_no_promise_either(self, name, value):
        rows = np.arange(100)
        with pytest.raises(CertificateError, match=name) as error:
            certify(rows / 100, rows > 30, np.ones(100), **{name: value})
        assert len(str(error.value)) < 200


@pytest.mark.parametrize("value", [Decimal("0.5"), np.float32(0.5), np.float64(0.5), np.array(0.5)])
def test_numbers_of_every_type_become_floats(value):
    assert type(Level("quality", value).value) is float
    rows = np.arange(100)
    assert type(certify(rows / 100, rows > 30, np.ones(100), max_drop=value).max_drop) is float


@pytest.mark.parametrize(
    ("level", "side"),
    [
        (Level("threshold", 0), "small"),
        (Level("threshold", 1.5), "large"),
        (Level("threshold", 2), "large"),
        (Level("threshold", 1), None),
        (Level("quality", 1), None),
        (Level("cost_advantage", 0), None),
    ],
    ids=str,
)
def test_only_a_threshold_sends_all_to_one_side_by_the_callers_word(level, side):
    assert level.sends_all_to == side
