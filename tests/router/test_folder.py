"""The router folder: whole or refused, the same after a trip through the disk, never code."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hybrid_llm import Router
from hybrid_llm.errors import DamagedFolderError, NewerFormatError, RouterFolderError
from hybrid_llm.router.folder import seal_of
from tests.small_table import make_rows

QUERIES = [row["query"] for row in make_rows(12)]


@pytest.fixture
def folder(trained, tmp_path):
    trained.save(tmp_path / "router")
    return tmp_path / "router"


def edit(file: Path, **changes):
    """Change router.json as somebody would who knows of the seal."""
    data = json.loads(file.read_text()) | changes
    file.write_text(json.dumps(data | {"seal": seal_of(data)}))


def test_a_router_is_the_same_after_a_trip_through_the_disk(trained, folder):
    loaded = Router.load(folder)
    assert loaded.id == trained.id
    assert (loaded.score(QUERIES) == trained.score(QUERIES)).all()
    assert loaded.calibration == trained.calibration
    assert loaded.record.as_dict() == json.loads(json.dumps(trained.record.as_dict()))
    assert (loaded.record.seen.ids == trained.record.seen.ids).all()


def test_the_folder_holds_json_and_safetensors_and_a_card(folder):
    names = {file.name for file in folder.iterdir()}
    assert names == {"router.json", "head.safetensors", "seen.safetensors", "calibration.json", "README.md"}


def test_the_head_is_small(folder):
    assert (folder / "head.safetensors").stat().st_size < 2_000_000


@pytest.mark.parametrize("name", ["head.safetensors", "seen.safetensors", "calibration.json"])
def test_a_changed_file_is_refused_by_its_hash(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(DamagedFolderError, match=name):
        Router.load(folder)


@pytest.mark.parametrize("name", ["head.safetensors", "seen.safetensors", "calibration.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(DamagedFolderError, match=f"{name} is missing"):
        Router.load(folder)


def test_a_file_slipped_in_is_refused(folder):
    (folder / "certificate.json").write_text("{}")
    with pytest.raises(DamagedFolderError, match="does not belong"):
        Router.load(folder)


@pytest.mark.parametrize("content", ["", "not json", "[]", "{}", '{"format_version": 1}', '{"format_version": "1"}'])
def test_a_router_json_that_is_none_is_refused(folder, content):
    (folder / "router.json").write_text(content)
    with pytest.raises(DamagedFolderError):
        Router.load(folder)


def test_weights_of_another_router_are_refused(folder):
    edit(folder / "router.json", id="0123456789abcdef")
    with pytest.raises(DamagedFolderError, match="do not belong"):
        Router.load(folder)


def test_a_newer_format_says_how_to_upgrade(folder):
    edit(folder / "router.json", format_version=99)
    with pytest.raises(NewerFormatError, match="pip install -U"):
        Router.load(folder)


def test_names_that_leave_the_folder_are_refused(folder):
    manifest = json.loads((folder / "router.json").read_text())
    edit(folder / "router.json", files=manifest["files"] | {"../outside": "0" * 64})
    with pytest.raises(DamagedFolderError, match="outside"):
        Router.load(folder)


def test_what_is_no_router_says_how_to_make_one(tmp_path):
    with pytest.raises(RouterFolderError, match="does not exist"):
        Router.load(tmp_path / "nowhere")
    with pytest.raises(RouterFolderError, match="no router folder"):
        Router.load(tmp_path)


def test_saving_over_a_router_replaces_it_and_over_anything_else_is_refused(trained, folder, tmp_path):
    trained.save(folder)
    assert Router.load(folder).id == trained.id
    other = tmp_path / "holiday"
    other.mkdir()
    (other / "photo.jpg").write_text("x")
    with pytest.raises(RouterFolderError, match="no router folder"):
        trained.save(other)
    assert (other / "photo.jpg").exists()


def test_the_shipped_router_is_pickled_too():
    assert pickle.loads(pickle.dumps(Router.load())).id == Router.load().id


def test_a_write_that_fails_leaves_the_old_folder(trained, folder, monkeypatch):
    def full_disk(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(RouterFolderError, match="No space left"):
        trained.save(folder)
    monkeypatch.undo()
    assert Router.load(folder).id == trained.id
    assert [entry.name for entry in folder.parent.iterdir()] == ["router"]


def test_a_loaded_router_is_pickled_by_path(folder):
    loaded = Router.load(folder)
    data = pickle.dumps(loaded)
    assert len(data) < 1000
    assert pickle.loads(data).id == loaded.id


@pytest.mark.slow
def test_another_process_scores_the_same(folder):
    code = f"from hybrid_llm import Router; print(repr(Router.load({str(folder)!r}).score({QUERIES!r}).tolist()))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert np.array(json.loads(output.stdout)) == pytest.approx(Router.load(folder).score(QUERIES), abs=1e-6)
