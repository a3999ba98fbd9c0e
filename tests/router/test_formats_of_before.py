"""Folders that earlier versions wrote: read as they are, with the same id, and written in the format of today."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from hybrid_llm import QualityTable, Router
from hybrid_llm.errors import CertificateError, DamagedFolderError
from hybrid_llm.router import SeenRows
from hybrid_llm.router.folder import seal_of, sha256_of
from tests.small_table import make_rows

FORMAT_1 = Path(__file__).parent / "stored" / "format_1"


@pytest.fixture
def format_2(trained: Router, tmp_path: Path) -> Path:
    """A folder as the version before wrote it: hashes alone, no seal, rows hashed without a salt."""
    folder = tmp_path / "format_2"
    trained.save(folder)
    ids, texts = ([row[key] for row in make_rows() if row["split"] == "train"] for key in ("id", "query"))
    plain = {"ids": ids, "texts": [text.casefold() for text in texts]}
    save_file({name: hashes(values) for name, values in plain.items()}, folder / "seen.safetensors")
    manifest = json.loads((folder / "router.json").read_text())
    files = {name: sha256_of(folder / name) for name in manifest["files"]}
    del manifest["seal"]
    (folder / "router.json").write_text(json.dumps(manifest | {"format_version": 2, "files": files}))
    return folder


def hashes(texts: list[str]) -> Any:
    from hybrid_llm.table import hash64

    return np.unique(np.array([hash64(text) for text in texts], dtype=np.uint64))


def test_format_1_keeps_its_id_and_becomes_format_3_when_it_is_saved(tmp_path: Path) -> None:
    old = Router.load(FORMAT_1)
    assert old.id == json.loads((FORMAT_1 / "router.json").read_text())["id"]
    assert old.seal == ""
    old.save(tmp_path / "new")
    manifest = json.loads((tmp_path / "new" / "router.json").read_text())
    new = Router.load(tmp_path / "new")
    assert manifest["format_version"] == 3
    assert new.seal == manifest["seal"] == seal_of(manifest)
    assert (new.id, new.calibration) == (old.id, old.calibration)
    assert (new.score(["What is 2+2?"]) == old.score(["What is 2+2?"])).all()


def test_rows_that_an_unsalted_folder_saw_are_still_refused(format_2: Path, table: QualityTable) -> None:
    for router in (Router.load(format_2), saved_again(format_2)):
        with pytest.raises(CertificateError, match="rows were seen by fitting"):
            router.certify(table.split("train"), "small", "large")


def saved_again(folder: Path) -> Router:
    Router.load(folder).save(folder)
    assert "salt" in load_file(folder / "seen.safetensors")
    return Router.load(folder)


def test_what_an_old_encoder_folder_took_along_is_not_opened(format_2: Path) -> None:
    data = json.loads((format_2 / "router.json").read_text())
    data["files"]["encoder/notes.md"] = "0" * 64
    (format_2 / "router.json").write_text(json.dumps(data))
    Router.load(format_2)


def test_a_changed_file_of_before_is_refused_by_its_hash(format_2: Path) -> None:
    with (format_2 / "seen.safetensors").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(DamagedFolderError, match=r"seen.safetensors was changed"):
        Router.load(format_2)


def test_two_sets_of_rows_have_two_salts_and_the_same_rows_one() -> None:
    one, same, other = (SeenRows.of(ids, ["a query"]) for ids in (["1", "2"], ["2", "1"], ["3"]))
    assert one.salt == same.salt
    assert one.salt != other.salt
    assert not set(one.texts.tolist()) & set(other.texts.tolist())


def test_seen_rows_are_known_by_id_or_text_whatever_the_case() -> None:
    seen = SeenRows.of(["1"], ["What is  2+2?"])
    assert seen.mask(["1", "2", "3"], ["x", "what is 2+2?", "y"]).tolist() == [True, True, False]
    assert SeenRows.from_tensors(seen.tensors()).mask(["1"], ["x"]).tolist() == [True]


def test_the_shipped_router_is_read_whatever_its_format(tmp_path: Path) -> None:
    shipped = Router.load()
    assert shipped.path is not None
    copy = Path(shutil.copytree(shipped.path, tmp_path / "copy"))
    assert Router.load(copy).id == shipped.id
