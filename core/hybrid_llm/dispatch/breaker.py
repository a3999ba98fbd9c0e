"""A circuit breaker: an arm that keeps failing is left alone for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hybrid_llm.dispatch.left_behind import LeftBehind
from hybrid_llm.errors import ConfigError


class Breaker:
    """Counts the failures of one arm and says whether to try it; safe to use from many threads.

    Closed, it admits every call. After ``failures`` failures in a row it opens and admits nothing for ``cooldown``
    seconds, then one call, the probe: if that succeeds the breaker closes, if it fails the cooldown starts again.
    A probe that never reports back loses its place after another cooldown. While too many calls that were given up on
    still run, it admits nothing, however long that takes.

    Args:
        failures: Failures in a row that open the breaker, >= 1.
        cooldown: Seconds without a call, >= 0.
        clock: Returns seconds; for tests.

    Attributes:
        left: The calls that were given up on and still run.

    Raises:
        ConfigError: A number is out of range.

    Example:
        >>> breaker = Breaker(failures=1)
        >>> breaker.admit()
        True
        >>> breaker.fail()
        >>> breaker.admit()
        False
    """

    def __init__(self, failures: int = 3, cooldown: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        if failures < 1:
            raise ConfigError(f"failures={failures} must be at least 1: the failures in a row that open the breaker.")
        if not cooldown >= 0:
            raise ConfigError(f"cooldown={cooldown} must be at least 0 seconds.")
        self._failures, self._cooldown, self._clock = failures, cooldown, clock
        self.left = LeftBehind()
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._retry_at: float | None = None  # None: closed, every call is admitted
        self._probing = False
        self._announced = False

    @property
    def open(self) -> bool:
        """Whether the arm is being left alone (also while a probe is under way)."""
        return self._retry_at is not None or self.left.full

    def admit(self) -> bool:
        """Return whether to call the arm now; ``True`` while the breaker is open makes this call the probe."""
        if self.left.full:
            return False
        with self._lock:
            if self._retry_at is None:
                return True
            now = self._clock()
            if now < self._retry_at:
                return False
            self._retry_at, self._probing = now + self._cooldown, True
            return True

    def succeed(self) -> bool:
        """Note that the arm answered; return whether that ends an outage that was announced."""
        with self._lock:
            ended, self._announced = self._announced, False
            self._in_a_row, self._retry_at, self._probing = 0, None, False
            return ended

    def fail(self) -> None:
        """Note that the arm could not be reached or broke down."""
        with self._lock:
            self._in_a_row += 1
            if self._in_a_row >= self._failures:
                self._retry_at, self._probing = self._clock() + self._cooldown, False

    def announce(self) -> bool:
        """Return whether an outage is still to be told of: once in each, until the arm answers again."""
        with self._lock:
            first, self._announced = not self._announced, True
            return first

    def release(self) -> None:
        """Note that a call ended without telling anything, being cancelled: the next one may be the probe."""
        with self._lock:
            if self._probing:
                self._retry_at, self._probing = self._clock(), False

    def __deepcopy__(self, memo: object) -> Breaker:
        """Return the breaker itself: copies of a model talk to the same server."""
        return self
