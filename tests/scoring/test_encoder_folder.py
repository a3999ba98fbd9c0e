"""The folder of an encoder: what is damaged, missing, newer or wrong is named."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from hybrid_llm.errors import DamagedFolderError, EncoderError, NewerFormatError
from hybrid_llm.scoring import Encoder
from tests.scoring.tiny_encoder import change, write_tiny


@pytest.mark.parametrize("name", ["encoder.onnx", "tokenizer.json"])
def test_a_damaged_file_is_refused_by_its_hash(tiny: Path, name: str) -> None:
    content = bytearray((tiny / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tiny / name).write_bytes(content)
    with pytest.raises(DamagedFolderError, match=rf"{name} is not the file that was written.*export MODEL"):
        Encoder.load(tiny)


@pytest.mark.parametrize("name", ["encoder.onnx", "tokenizer.json"])
def test_a_swapped_file_is_refused_by_its_hash(tiny: Path, tmp_path: Path, name: str) -> None:
    other = write_tiny(tmp_path / "other", seed=1)
    (other / "tokenizer.json").write_text((other / "tokenizer.json").read_text().replace("three", "thref"))
    (tiny / name).write_bytes((other / name).read_bytes())
    with pytest.raises(DamagedFolderError, match=name):
        Encoder.load(tiny)


@pytest.mark.parametrize("name", ["encoder.onnx", "tokenizer.json"])
def test_a_missing_file_is_named(tiny: Path, name: str) -> None:
    (tiny / name).unlink()
    with pytest.raises(DamagedFolderError, match=f"{name} cannot be read"):
        Encoder.load(tiny)


def test_a_folder_without_an_encoder_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"encoder.json is missing.*hybrid-llm export MODEL"):
        Encoder.load(tmp_path)


def test_an_incomplete_installation_says_how_to_repair_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid_llm.scoring.encoder.SHIPPED", tmp_path)
    monkeypatch.setattr("hybrid_llm.scoring.encoder_folder.SHIPPED", tmp_path)
    with pytest.raises(EncoderError, match="force-reinstall hybrid-llm"):
        Encoder.load()


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"format": 1}', b'{"format": 1, "more": 2}', b"\xff\xfe"])
def test_an_unreadable_description_is_refused(tiny: Path, content: bytes) -> None:
    (tiny / "encoder.json").write_bytes(content)
    with pytest.raises(DamagedFolderError, match=r"encoder.json cannot be read"):
        Encoder.load(tiny)


def test_a_folder_of_a_later_version_asks_for_an_update(tiny: Path) -> None:
    change(tiny, format=2, something_new=True)
    with pytest.raises(NewerFormatError, match=r"format 2.*pip install -U"):
        Encoder.load(tiny)


def test_a_wrong_size_in_the_description_is_noticed(tiny: Path) -> None:
    change(tiny, dim=5)
    with pytest.raises(DamagedFolderError, match="dim=5"):
        Encoder.load(tiny).encode(["one"])


def test_a_graph_that_onnx_runtime_cannot_open_is_an_encoder_error(tiny: Path) -> None:
    (tiny / "encoder.onnx").write_bytes(b"nonsense")
    files = json.loads((tiny / "encoder.json").read_text())["files"]
    change(tiny, files=files | {"encoder.onnx": hashlib.sha256(b"nonsense").hexdigest()})
    with pytest.raises(EncoderError, match=r"encoder.onnx is no ONNX graph"):
        Encoder.load(tiny)


def test_a_tokenizer_that_cannot_be_parsed_is_an_encoder_error(tiny: Path) -> None:
    (tiny / "tokenizer.json").write_bytes(b"{}")
    files = json.loads((tiny / "encoder.json").read_text())["files"]
    change(tiny, files=files | {"tokenizer.json": hashlib.sha256(b"{}").hexdigest()})
    with pytest.raises(EncoderError, match=r"tokenizer.json has no model"):
        Encoder.load(tiny)


def test_the_id_changes_with_the_graph_and_with_the_token_budget(tiny: Path, tmp_path: Path) -> None:
    ids = {Encoder.load(tiny).id, Encoder.load(write_tiny(tmp_path / "other", seed=1)).id}
    change(tiny, max_tokens=12)
    ids.add(Encoder.load(tiny).id)
    assert len(ids) == 3
