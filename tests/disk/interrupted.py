"""A child program: write a folder again and again, interrupted at every call to the system, and say what was there.

Python tells an audit hook of most calls; the rest are wrapped here. Each try is a forked process of its own, so that
it may be killed. Arguments: a folder to work in, the signal, and "exchange" or "renames".
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hybrid_llm.disk import Kind, beside, steadily, whole_folder
from hybrid_llm.errors import RouterFolderError

KIND = Kind("router folder", "mark", frozenset({"mark", "weights", "encoder/graph"}), RouterFolderError)
CALLS = ("open", "os.", "shutil.", "fcntl.", "call.")


def write(place: Path, word: str) -> None:
    with whole_folder(place, KIND) as fresh:
        (fresh / "encoder").mkdir()
        for name in KIND.names:
            (fresh / name).write_text(word)


def read(place: Path) -> str:
    def words() -> str:
        try:
            found = {(place / name).read_text() for name in KIND.names}
        except OSError as error:
            raise RouterFolderError(str(error)) from error
        return found.pop() if len(found) == 1 else f"a mixture: {found}"

    return steadily(place, words)


def wrap(owner: Any, name: str) -> None:
    call: Callable[..., Any] = getattr(owner, name)

    def told(*args: Any) -> Any:
        sys.audit(f"call.{name}")
        done = call(*args)
        sys.audit(f"call.{name}.done")
        return done

    setattr(owner, name, told)


def child(place: Path, at: int, number: int) -> None:
    """Write until the call of this number, and interrupt it there."""
    calls = 0

    def hook(event: str, _: Any) -> None:
        nonlocal calls
        if event.startswith(CALLS):
            calls += 1
            if calls == at:
                signal.raise_signal(number)

    if number == signal.SIGINT:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.addaudithook(hook)
    try:
        write(place, "new")
    except KeyboardInterrupt:
        os._exit(130)
    os._exit(0 if calls < at else 1)


def main() -> None:
    folder, number, way = Path(sys.argv[1]), signal.Signals[sys.argv[2]], sys.argv[3]
    place = folder / "router"
    if way == "renames":
        beside.exchange = lambda one, other: False
    wrap(os, "fsync")
    wrap(beside, "exchange")
    seen: Counter[str] = Counter()
    for at in range(1, 1000):
        write(place, "old")
        process = os.fork()
        if process == 0:
            child(place, at, number)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        seen["away"] += not place.exists()
        seen[read(place)] += 1
        write(place, "next")
        assert read(place) == "next"
        assert [entry.name for entry in folder.iterdir()] == ["router"], list(folder.iterdir())
        if code == 0:
            break
        assert code in (-number, 130), code
    sys.stdout.write(json.dumps({"calls": at - 1, **seen}))


main()
