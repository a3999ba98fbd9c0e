"""Of two writers one wins and the other says so; a reader gets the old folder or the new one, never a mixture."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hybrid_llm.disk import Kind, beside, claimed, steadily, whole_folder
from hybrid_llm.errors import RouterFolderError

KIND = Kind("router folder", "mark", frozenset({"mark", "weights"}), RouterFolderError)

HOLD = """
import sys, time
from pathlib import Path
from hybrid_llm.disk import claimed
from hybrid_llm.errors import RouterFolderError
with claimed(Path(sys.argv[1]), RouterFolderError):
    print("claimed", flush=True)
    time.sleep(60)
"""

both_ways = pytest.mark.parametrize("way", ["exchange", "renames"])


@pytest.fixture(autouse=True)
def _in_this_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "way" in request.fixturenames and request.getfixturevalue("way") == "renames":
        monkeypatch.setattr(beside, "exchange", lambda one, other: False)


def write(place: Path, word: str) -> None:
    with whole_folder(place, KIND) as fresh:
        for name in KIND.names:
            (fresh / name).write_text(word)


def read(place: Path) -> set[str]:
    def words() -> set[str]:
        try:
            return {(place / name).read_text() for name in sorted(KIND.names)}
        except OSError as error:
            raise RouterFolderError(str(error)) from error

    return steadily(place, words)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write(tmp_path / "router", "old")
    return tmp_path / "router"


@pytest.fixture
def other(place: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, place], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "claimed\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_second_of_two_processes_hears_at_once_who_is_writing(
    place: Path, other: subprocess.Popen[str], tmp_path: Path
) -> None:
    said = rf"router is being written by another process \({other.pid}\); wait for it, or choose another --out\."
    with pytest.raises(RouterFolderError, match=said):
        write(place, "new")
    (tmp_path / "link").symlink_to(place)
    with pytest.raises(RouterFolderError, match="is being written"):
        write(tmp_path / "link", "new")
    assert read(place) == {"old"}


def test_a_lock_of_a_killed_process_blocks_nobody_and_goes(place: Path, other: subprocess.Popen[str]) -> None:
    os.kill(other.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    other.wait()
    write(place, "new")
    assert read(place) == {"new"}
    assert [entry.name for entry in place.parent.iterdir()] == ["router"]


def test_the_second_of_two_threads_hears_of_it_too(place: Path) -> None:
    said: list[str] = []

    def second() -> None:
        with pytest.raises(RouterFolderError) as caught:
            write(place, "second")
        said.append(str(caught.value))

    with claimed(place, RouterFolderError):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        write(place, "first")  # who has claimed it may
    assert "is being written by another thread" in said[0]
    assert read(place) == {"first"}


def test_of_many_writers_at_once_each_wins_or_says_so(tmp_path: Path) -> None:
    outcomes: list[str] = []

    def work(word: str) -> None:
        try:
            write(tmp_path / "router", word)
        except RouterFolderError as error:
            outcomes.append(str(error))
        else:
            outcomes.append(word)

    threads = [threading.Thread(target=work, args=(f"{number}",)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [outcome for outcome in outcomes if outcome.isdecimal()]
    assert won
    assert all("is being written by" in outcome for outcome in outcomes if outcome not in won)
    assert read(tmp_path / "router") <= set(won)
    assert [entry.name for entry in tmp_path.iterdir()] == ["router"]


@pytest.mark.slow
@both_ways
def test_a_reader_gets_one_folder_or_the_other_while_it_is_written(place: Path, way: str) -> None:
    stop = threading.Event()

    def keep_writing() -> None:
        for number in range(1000):
            write(place, f"{number}")
            if stop.is_set():
                return

    thread = threading.Thread(target=keep_writing)
    thread.start()
    try:
        began, seen = time.monotonic(), set()
        while time.monotonic() < began + (0.5 if len(seen) > 3 else 20):
            (word,) = read(place)  # one and the same in all files
            seen.add(word)
    finally:
        stop.set()
        thread.join()
    assert len(seen) > 3


def test_a_reader_puts_back_what_a_killed_writer_left_between_two_renames(place: Path) -> None:
    found = beside.Beside(place)
    place.rename(found.old)
    found.new.mkdir()
    assert read(place) == {"old"}
    assert [entry.name for entry in place.parent.iterdir()] == ["router"]


def test_a_reader_waits_for_a_writer_that_is_between_two_renames(place: Path) -> None:
    found = beside.Beside(place)
    with claimed(place, RouterFolderError):
        place.rename(found.old)
        back = threading.Timer(0.3, found.old.rename, [place])
        back.start()
        assert read(place) == {"old"}
        back.join()


def test_a_folder_that_is_not_there_is_said_to_be_so_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(RouterFolderError, match="No such file"):
        read(tmp_path / "nowhere")
    assert time.monotonic() - began < 1
