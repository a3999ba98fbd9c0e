"""What cannot be written is one line that says what to do, and nothing is broken by the attempt."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hybrid_llm.disk import Kind, foreign_files, whole_folder
from hybrid_llm.errors import RouterFolderError

KIND = Kind("router folder", "mark", frozenset({"mark", "encoder/graph"}), RouterFolderError)


def write(place: Path, word: str = "new") -> None:
    with whole_folder(place, KIND) as fresh:
        (fresh / "encoder").mkdir()
        for name in KIND.names:
            (fresh / name).write_text(word)


def refused(place: Path) -> str:
    with pytest.raises(RouterFolderError) as caught:
        write(place)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(place), "PLACE")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write(tmp_path / "router", "old")
    return tmp_path / "router"


class TestFilesOfTheUsersOwn:
    @pytest.mark.parametrize(
        "name", ["notes/README.md", ".git/config", "encoder/key.pem", "data/mark", "encoder/notes/x", "mark.bak"]
    )
    def test_stay_and_are_named(self, place: Path, name: str) -> None:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("mine")
        first = name if name.startswith("encoder/key") else "encoder/notes" if "notes/x" in name else name.split("/")[0]
        assert refused(place) == (
            f"PLACE also holds what is not part of a router folder: {first!r}; move that elsewhere, or choose another "
            "--out."
        )
        assert (place / name).read_text() == "mine"
        assert (place / "mark").read_text() == "old"

    def test_that_come_while_the_folder_is_written_stay_too(self, place: Path) -> None:
        def write_beside_somebody() -> None:
            with whole_folder(place, KIND) as fresh:
                (fresh / "mark").write_text("new")
                (place / "notes").write_text("mine")

        with pytest.raises(RouterFolderError, match="'notes'"):
            write_beside_somebody()
        assert (place / "notes").read_text() == "mine"
        assert [entry.name for entry in place.parent.iterdir()] == ["router"]

    def test_a_link_is_foreign_whatever_its_name(self, place: Path, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("secret")
        (place / "mark").unlink()
        (place / "mark").symlink_to(tmp_path / "key")
        assert "'mark'" in refused(place)
        assert (tmp_path / "key").read_text() == "secret"

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
    def test_a_pipe_and_a_linked_folder_are_foreign_and_nobody_waits_for_them(self, place: Path) -> None:
        (place / "encoder" / "graph").unlink()
        os.mkfifo(place / "encoder" / "graph")
        assert foreign_files(place, KIND.names) == ["encoder/graph"]
        shutil.move(place / "encoder", place.parent / "elsewhere")
        (place / "encoder").symlink_to(place.parent / "elsewhere")
        assert foreign_files(place, KIND.names) == ["encoder"]

    def test_many_are_counted(self, place: Path) -> None:
        for number in range(9):
            (place / f"{number}.txt").touch()
        assert "'0.txt', '1.txt', '2.txt' and 6 more; move" in refused(place)

    def test_what_a_file_manager_left_is_no_reason_to_refuse(self, place: Path) -> None:
        (place / ".DS_Store").touch()
        write(place)
        assert (place / "mark").read_text() == "new"


class TestAPlaceThatWillNotDo:
    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("mine")
        assert refused(tmp_path / "file") == "PLACE exists and is no router folder; choose another --out."
        assert "something on the way to it is a file" in refused(tmp_path / "file" / "router")
        assert (tmp_path / "file").read_text() == "mine"

    def test_a_folder_of_other_things(self, tmp_path: Path) -> None:
        (tmp_path / "photo.jpg").touch()
        assert refused(tmp_path) == "PLACE exists and is no router folder; choose another --out."

    def test_a_link_to_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "router").symlink_to(tmp_path / "nowhere")
        assert refused(tmp_path / "router") == "PLACE is a link to nothing; remove it, or choose another --out."

    def test_a_name_that_is_too_long(self, tmp_path: Path) -> None:
        assert refused(tmp_path / ("r" * 250)) == "Cannot write PLACE: File name too long."

    @pytest.mark.parametrize(
        ("number", "remedy"),
        [
            (errno.ENOSPC, "No space left on device; make room and run the same command, what was there is as it was."),
            (errno.EACCES, "Permission denied; it and the folder above it must be writable."),
            (errno.EBUSY, "it is a mounted folder or in use, choose a folder inside it."),
        ],
    )
    @pytest.mark.parametrize("call", ["os.fsync", "os.mkdir", "hybrid_llm.disk.beside.exchange"])
    def test_a_refusal_of_the_disk_breaks_nothing(
        self, place: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, remedy: str
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(call, refuse)
            assert refused(place).endswith(remedy)
        assert (place / "mark").read_text() == "old"
        assert [entry.name for entry in place.parent.iterdir()] == ["router"]

    def test_a_folder_that_was_made_read_only(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "access", lambda *_: False)  # to an administrator nothing is read-only
        assert "Permission denied; it and the folder above it must be writable." in refused(place)


def test_a_link_to_a_folder_stays_and_the_folder_is_written(place: Path) -> None:
    link = place.with_name("current")
    link.symlink_to(place)
    write(link)
    assert link.is_symlink()
    assert (place / "mark").read_text() == "new"


def test_an_empty_folder_is_a_place_and_the_folders_above_are_made(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "one" / "two"):
        write(place)
        assert (place / "mark").read_text() == "new"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such bits")
def test_who_may_read_the_folder_stays_as_it_was(place: Path) -> None:
    place.chmod(0o700)
    write(place)
    assert place.stat().st_mode & 0o777 == 0o700


def test_a_full_disk_and_a_read_only_one_keep_what_was_there(tmp_path: Path) -> None:
    program = [sys.executable, Path(__file__).with_name("small_disk.py"), tmp_path]
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mounts of one's own here")
    done = subprocess.run([unshare, "-rm", *program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["stayed"] == [20_000, 1, 30_000, 1]
    first, full, again, mounted, read_only = found["said"]
    assert (first, again) == ("written", "written")
    assert "No space left on device; make room" in full
    assert "exists and is no router folder" in mounted
    assert "Read-only file system; choose another --out." in read_only
