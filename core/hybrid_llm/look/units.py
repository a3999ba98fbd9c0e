"""Units that numbers carry, in a base unit of their kind, so that 300 cm is 3 m and five minutes are not five hours."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, NamedTuple


class Unit(NamedTuple):
    """A unit: its kind and how many base units one of it is."""

    kind: str
    factor: Fraction


_KINDS: Final[dict[str, dict[str, str]]] = {
    "length": {
        "mm millimeter millimetre": "1/1000",
        "cm centimeter centimetre": "1/100",
        "m meter metre": "1",
        "km kilometer kilometre": "1000",
        "inch inches": "254/10000",
        "ft foot feet": "3048/10000",
        "yard": "9144/10000",
        "mile": "1609344/1000",
    },
    "mass": {
        "mg milligram": "1/1000",
        "g gram": "1",
        "kg kilogram": "1000",
        "ounce": "28349523125/1000000000",
        "lb pound": "45359237/100000",
    },
    "time": {
        "ms millisecond": "1/1000",
        "s sec second": "1",
        "min minute": "60",
        "h hr hour": "3600",
        "day": "86400",
        "week": "604800",
    },
    "volume": {"ml millilitre milliliter": "1/1000", "l litre liter": "1", "gallon": "3785411784/1000000000"},
}
"""Each kind with its units: all names of a unit, singular, and how many base units it is. Months and years vary and
"in" is a word, so they are none."""


def _table() -> dict[str, Unit]:
    units = {}
    for kind, names in _KINDS.items():
        for spellings, factor in names.items():
            for name in spellings.split():
                units[name] = units[f"{name}s"] = Unit(kind, Fraction(factor))
    return units


_UNITS: Final = _table()


def unit_of(word: str) -> Unit | None:
    """Return the unit that a word names, or None when it names none that is known here.

    Example:
        >>> unit_of("km"), unit_of("apples")
        (Unit(kind='length', factor=Fraction(1000, 1)), None)
    """
    return _UNITS.get(word if len(word) == 1 else word.lower())
