"""A router folder is replaced as a whole, holds what is the router's alone, and has one writer at a time."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hybrid_llm import Router
from hybrid_llm.errors import DamagedEncoderError, RouterFolderError
from hybrid_llm.router import claim, refuse_foreign
from hybrid_llm.scoring import EmbeddingScorer, Encoder, LogitHead, NetworkScorer
from tests.scoring.tiny_encoder import change, write_tiny

KILLED = """
import os, signal, sys
from hybrid_llm import Router
router, calls = Router.load(), 0

def hook(event, _):
    global calls
    calls += event.startswith(("open", "os.", "shutil."))
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
router.save(sys.argv[1])
"""


@pytest.fixture
def folder(trained: Router, tmp_path: Path) -> Path:
    trained.save(tmp_path / "router")
    return tmp_path / "router"


def with_encoder(router: Router, encoder: Encoder) -> Router:
    """The router with a network of one's own, which its folder has to hold."""
    return router.made_of(
        dataclasses.replace(router.parts, scorer=NetworkScorer(encoder, LogitHead(1.0, 0.0)), calibration=None)
    )


def test_a_folder_with_files_of_the_users_own_is_refused_and_they_stay(trained: Router, folder: Path) -> None:
    mine = {"notes/README.md": "mine", "data/router.json": "mine too", ".git/refs/encoder/x": "abc"}
    for name, text in mine.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text)
    said = r"also holds what is not part of a router folder: '\.git', 'data', 'notes'; move that elsewhere, or choose"
    for refuse in (trained.save, refuse_foreign):
        with pytest.raises(RouterFolderError, match=said):
            refuse(folder)
    assert {name: (folder / name).read_text() for name in mine} == mine
    assert (folder / "router.json").exists()


def test_what_an_earlier_version_listed_in_the_folder_is_no_reason_to_refuse(trained: Router, folder: Path) -> None:
    text = (folder / "router.json").read_text()
    (folder / "router.json").write_text(text.replace('"files": {', '"files": {"encoder/LICENSE": "0",', 1))
    (folder / "encoder").mkdir()
    (folder / "encoder" / "LICENSE").touch()
    refuse_foreign(folder)
    (folder / "encoder" / "key").touch()
    with pytest.raises(RouterFolderError, match="encoder/key"):
        refuse_foreign(folder)


class TestAnEncoderOfOnesOwn:
    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        write_tiny(tmp_path / "tiny", seed=0)
        change(tmp_path / "tiny", dim=1)  # a network
        return tmp_path / "tiny"

    def saved(self, trained: Router, source: Path, tmp_path: Path) -> Path:
        with_encoder(trained, Encoder.load(source)).save(tmp_path / "mine")
        return tmp_path / "mine" / "encoder"

    def test_comes_without_what_lies_beside_it(self, trained: Router, source: Path, tmp_path: Path) -> None:
        (source / "rows.jsonl").write_text("a table")
        (source / "keys").mkdir()
        (source / "keys" / "id_rsa").write_text("secret")
        (source / "model.onnx").symlink_to("/etc/passwd")
        (source / "NOTICE").write_text("Licence: Apache-2.0")
        kept = self.saved(trained, source, tmp_path)
        assert {entry.name for entry in kept.iterdir()} == {"encoder.json", "encoder.onnx", "tokenizer.json", "NOTICE"}
        assert Encoder.load(kept).id == Encoder.load(source).id

    def test_comes_without_what_a_link_names(self, trained: Router, source: Path, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("secret")
        (source / "NOTICE").symlink_to(tmp_path / "key")
        assert not (self.saved(trained, source, tmp_path) / "NOTICE").exists()

    def test_that_changed_since_it_was_loaded_is_not_copied(
        self, trained: Router, source: Path, tmp_path: Path
    ) -> None:
        router = with_encoder(trained, Encoder.load(source))
        (source / "encoder.onnx").write_bytes(b"another")
        with pytest.raises(DamagedEncoderError, match=r"encoder\.onnx is not the file that was written"):
            router.save(tmp_path / "mine")
        assert not (tmp_path / "mine").exists()

    def test_is_still_there_when_its_router_is_saved_in_place(
        self, trained: Router, source: Path, tmp_path: Path
    ) -> None:
        kept = self.saved(trained, source, tmp_path)
        before = Encoder.load(kept).id
        with_encoder(trained, Encoder.load(kept)).save(kept.parent)
        assert Encoder.load(kept).id == before

    def test_that_names_other_files_has_them_not_copied(self, trained: Router, source: Path, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("secret")
        change(source, files={**Encoder.load(source).info.files, "../key": "0" * 64})
        try:
            kept = self.saved(trained, source, tmp_path)
        except DamagedEncoderError:  # it may be refused already where it is read
            return
        assert not (kept.parent / "key").exists()


@pytest.mark.slow
def test_while_somebody_works_for_a_folder_nobody_else_writes_it(trained: Router, folder: Path) -> None:
    program = "import sys; from hybrid_llm import Router; Router.load().save(sys.argv[1])"
    with claim(folder):
        other = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, check=False)
        trained.save(folder)
    assert f"router is being written by another process ({os.getpid()}); wait for it" in other.stderr
    assert Router.load(folder).id == trained.id


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal")
@pytest.mark.parametrize("call", [1, 9, 17, 25, 33, 41, 49])
def test_a_writer_that_is_killed_leaves_a_router_that_loads(trained: Router, folder: Path, call: int) -> None:
    subprocess.run([sys.executable, "-c", KILLED, folder, str(call)], check=False)
    assert Router.load(folder).id in {trained.id, Router.load().id}
    trained.save(folder)
    assert [entry.name for entry in folder.parent.iterdir()] == ["router"]


def test_a_router_that_is_replaced_while_it_is_read_is_read_again(
    trained: Router, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(trained.scorer, EmbeddingScorer)
    head = dataclasses.replace(trained.scorer.head, bias=np.asarray(trained.scorer.head.bias) + 1)
    other = trained.made_of(
        dataclasses.replace(trained.parts, scorer=EmbeddingScorer(trained.scorer.encoder, head), calibration=None)
    )
    load, loads = Encoder.load, []

    def replaced_meanwhile(path: Path | None = None) -> Encoder:
        if not loads:
            loads.append(path)
            other.save(folder)
        return load(path)

    monkeypatch.setattr(Encoder, "load", replaced_meanwhile)
    assert Router.load(folder).id == other.id
