"""From data to the coordinates of a picture: scales, ticks and paths. What is drawn with them is in the templates."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Frame:
    """The part of a picture in which data is drawn.

    Args:
        x: Lowest and highest value from left to right.
        y: Lowest and highest value from bottom to top.
        width: Of the picture, margins included, in units of its view box.
        height: The same upwards.
        left: Margin in which the labels stand; also ``right``, ``top``, ``bottom``.

    Example:
        >>> frame = Frame((0, 100), (0, 1), width=140, height=120, left=30, right=10, top=10, bottom=10)
        >>> frame.px(50), frame.py(0.25)
        (80.0, 85.0)
        >>> frame.line([0, 50], [0, 0.25])
        'M30.0 110.0L80.0 85.0'
    """

    x: tuple[float, float]
    y: tuple[float, float]
    width: int = 360
    height: int = 264
    left: int = 40
    right: int = 12
    top: int = 12
    bottom: int = 40

    def px(self, value: float) -> float:
        """Return where a value lies from left to right."""
        low, high = self.x
        return round(self.left + (self.width - self.left - self.right) * (value - low) / (high - low), 1)

    def py(self, value: float) -> float:
        """Return where a value lies from top to bottom."""
        low, high = self.y
        return round(self.top + (self.height - self.top - self.bottom) * (high - value) / (high - low), 1)

    def line(self, xs: Iterable[float], ys: Iterable[float]) -> str:
        """Return the path through these points."""
        points = [f"{self.px(x)} {self.py(y)}" for x, y in zip(xs, ys, strict=True)]
        return "M" + "L".join(points)

    def area(self, xs: Iterable[float], low: Iterable[float], high: Iterable[float]) -> str:
        """Return the path around what lies between two lines."""
        xs = list(xs)
        return self.line([*xs, *reversed(xs)], [*high, *reversed(list(low))]) + "Z"

    @property
    def x_ticks(self) -> list[float]:
        """Round values from left to right."""
        return ticks(*self.x)

    @property
    def y_ticks(self) -> list[float]:
        """Round values from bottom to top."""
        return ticks(*self.y)


def ticks(low: float, high: float, at_most: int = 6) -> list[float]:
    """Return round values between two ends.

    Example:
        >>> ticks(-6.8, 17.0)
        [-5.0, 0.0, 5.0, 10.0, 15.0]
    """
    size = 10.0 ** math.floor(math.log10((high - low) / at_most))
    step = next(size * step for step in STEPS if (high - low) / (size * step) <= at_most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]
