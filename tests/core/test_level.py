"""A level is checked where it is made."""

import pytest

from hybrid_llm import Level
from hybrid_llm.errors import LevelError


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
