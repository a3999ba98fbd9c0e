"""Some combinations instead of all: where a whole table is tested elsewhere, each of its values is enough here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

Cell = tuple[str, tuple[Any, ...]]
"""How values are called in the report of a test, and the values."""


def covering(*marks: pytest.MarkDecorator, times: int = 1) -> pytest.MarkDecorator:
    """Return a mark that gives a test combinations in which each value occurs, where these marks would give all.

    Of 40 scenarios and 6 ways these are 40 combinations, and not 240: the ways take turns.

    Args:
        marks: Marks made with ``pytest.mark.parametrize``.
        times: How often each value occurs at least; the second time it meets other values.
    """
    longest_first = sorted(marks, key=lambda mark: len(mark.args[1]), reverse=True)
    columns = [list(cells(mark)) for mark in longest_first]
    names = [name for mark in longest_first for name in names_of(mark)]
    rows: dict[str, tuple[Any, ...]] = {}
    for again in range(times):
        for turn in range(len(columns[0])):
            row = [
                column[(turn + place * (again + turn // len(column))) % len(column)]
                for place, column in enumerate(columns)
            ]
            rows["-".join(name for name, _ in row)] = tuple(value for _, values in row for value in values)
    return pytest.mark.parametrize(names, [pytest.param(*row, id=name) for name, row in rows.items()])


def names_of(mark: pytest.MarkDecorator) -> list[str]:
    """Return the parameters of a mark."""
    names = mark.args[0]
    return [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)


def cells(mark: pytest.MarkDecorator) -> Iterator[Cell]:
    """Yield what a mark gives its parameters, each time with a name."""
    names, ids = names_of(mark), mark.kwargs.get("ids")
    called = None if ids is None or callable(ids) else list(ids)
    for place, value in enumerate(mark.args[1]):
        assert not getattr(value, "marks", ()), "a value with marks of its own cannot take turns"
        is_param = hasattr(value, "marks")
        values = tuple(value.values) if is_param else (value,) if len(names) == 1 else tuple(value)
        if called:
            name = str(called[place])
        elif is_param and value.id:
            name = value.id
        elif callable(ids):
            name = "-".join(str(ids(each)) for each in values)
        else:
            name = "-".join(name_of(each, f"{names[n]}{place}") for n, each in enumerate(values))
        yield name, values


def name_of(value: Any, otherwise: str) -> str:
    """Return how a value is called in the report of a test: the same in each process, as pytest itself does it."""
    if value is None or isinstance(value, str | int | float):
        return str(value)
    name = getattr(value, "name", None) or getattr(value, "__name__", None)
    return name if isinstance(name, str) else otherwise
