r"""The grader ``math``: whether two pieces of mathematics are equal, in a process that can be killed."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

from hybrid_llm.errors import GradeError, MissingExtraError

_WORKER: Final = "hybrid_llm.collect.grade.math_worker"
_START_SECONDS: Final = 180.0
"""How long a worker may take to load sympy on a busy machine."""


class MathGrader:
    r"""Grades mathematics by math-verify, which works in a process of its own.

    Calls from several threads wait for each other. The process is started by the first call, and again after it was
    killed.

    Args:
        seconds: How long one answer may take. Then its process is killed, and the answer is not graded.

    Raises:
        MissingExtraError: math-verify is not installed.

    Example:
        >>> with MathGrader() as grade:
        ...     grade(r"So it is $\frac{1}{2}$.", ["0.5"])
        1.0
    """

    def __init__(self, seconds: float = 10.0) -> None:
        if importlib.util.find_spec("math_verify") is None:
            raise MissingExtraError.of("the grader math", "collect")
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def __call__(self, answer: str, references: Sequence[str]) -> float | None:
        """Return 1 if an answer equals a reference, 0 if not, and None where that cannot be found out.

        Raises:
            GradeError: The process does not start.
        """
        with self._lock:
            process = self._started()
            reply = _ask(process, {"answer": answer, "references": list(references)}, self._seconds)
            if reply is None:
                self._stop()
                return None
        score: float | None = reply["score"]
        return score

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            paths = os.pathsep.join(path or os.curdir for path in sys.path)
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", _WORKER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                env={**os.environ, "PYTHONPATH": paths},
            )
            if _ask(self._process, None, _START_SECONDS) is None:
                self._stop()
                raise GradeError(f"The grader math does not start; see what `{sys.executable} -m {_WORKER}` says.")
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):  # what was not yet written to a dead process
                        pipe.close()
            process.wait()

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _ask(process: subprocess.Popen[str], question: dict[str, Any] | None, seconds: float) -> dict[str, Any] | None:
    """Return the next line of a process, or None if it ended or had to be killed."""
    assert process.stdin is not None
    assert process.stdout is not None
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        if question is not None:
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
        line = process.stdout.readline()
    except OSError:
        return None
    finally:
        timer.cancel()
    reply: dict[str, Any] | None = json.loads(line) if line.endswith("\n") else None
    return reply
