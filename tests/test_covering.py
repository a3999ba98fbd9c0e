"""Combinations that stand for a whole grid hold each value of it."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.covering import covering


@given(st.lists(st.integers(2, 9), min_size=2, max_size=4), st.integers(1, 2))
def test_each_value_occurs_as_often_as_is_asked_and_no_combination_twice(sizes: list[int], times: int) -> None:
    marks = [pytest.mark.parametrize(f"p{place}", range(size)) for place, size in enumerate(sizes)]
    names, rows = covering(*marks, times=times).args
    assert len(rows) == len({row.values for row in rows}) == max(sizes) * times
    for place, size in enumerate(sizes):
        counted = Counter(row.values[names.index(f"p{place}")] for row in rows)
        assert set(counted) == set(range(size))
        assert min(counted.values()) >= times


def test_names_and_pairs_of_values_stay_as_they_were() -> None:
    words = pytest.mark.parametrize(("text", "n"), [("a", 1), ("b", 2)], ids=["one", "two"])
    names, rows = covering(words, pytest.mark.parametrize("flag", [True])).args
    assert names == ["text", "n", "flag"]
    assert [(row.id, row.values) for row in rows] == [("one-True", ("a", 1, True)), ("two-True", ("b", 2, True))]


def test_what_has_no_name_is_called_by_its_place_as_objects_are_another_in_each_process() -> None:
    things = pytest.mark.parametrize("thing", [object(), {}])
    _, rows = covering(things, pytest.mark.parametrize("flag", [True])).args
    assert [row.id for row in rows] == ["thing0-True", "thing1-True"]
