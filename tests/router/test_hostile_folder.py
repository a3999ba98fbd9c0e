"""Router folders made to hurt: each kind ends in a RouterFolderError that names the file, at the loading."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from benchmarks.fuzz_folder.tries import put_right, try_once, write_base
from hybrid_llm import Router
from hybrid_llm.errors import RouterFolderError
from hybrid_llm.router.folder import LIMITS, seal_of


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("hostile") / "base")


@pytest.fixture
def folder(base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(base, tmp_path / "router"))


def edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))


def edit_tensors(file: Path, **changes: Any) -> None:
    save_file({name: value for name, value in (load_file(file) | changes).items() if value is not None}, file)


def refused(folder: Path, wrong: str | None = None) -> None:
    with pytest.raises(RouterFolderError, match=wrong) as raised:
        Router.load(folder)
    assert str(folder) in str(raised.value)
    assert str(raised.value).isprintable()


def test_the_folder_loads_as_it_is_and_after_its_hashes_are_made_again(folder: Path) -> None:
    id_before = Router.load(folder).id
    put_right(folder)
    assert Router.load(folder).id == id_before


# What router.json answers for


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["training"].update(score_quantiles=[0.0]),
        lambda data: data["training"].update(n_fit=1),
        lambda data: data.update(extra=1),
        lambda data: data.pop("seal"),
        lambda data: data["files"].pop("certificate.json"),
    ],
)
def test_any_change_of_router_json_breaks_its_seal(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    edit(folder / "router.json", change)
    refused(folder, r"router.json was changed")


def test_router_json_may_be_laid_out_anew(folder: Path) -> None:
    data = json.loads((folder / "router.json").read_text())
    (folder / "router.json").write_text(json.dumps(dict(reversed(data.items())), indent=8))
    assert Router.load(folder).seal == data["seal"]


def test_the_seal_names_all_and_the_id_only_what_scores_depend_on(folder: Path) -> None:
    before = Router.load(folder)
    before.override(certificate=None).save(folder)
    after = Router.load(folder)
    assert after.id == before.id
    assert after.seal not in ("", before.seal)


@pytest.mark.parametrize("name", ["head.safetensors", "encoder/encoder.onnx", "encoder/NOTICE", "calibration.json"])
def test_a_file_of_another_size_is_refused_unread(folder: Path, name: str) -> None:
    (folder / name).touch()
    put_right(folder)
    with (folder / name).open("ab") as stream:
        stream.truncate(1 << 40)
    if name == "encoder/NOTICE":  # the base has none
        refused(folder, "NOTICE does not belong")
    else:
        refused(folder, f"{name} was changed")


@pytest.mark.parametrize("name", [name for name in LIMITS if name != "encoder/NOTICE"])
def test_a_file_larger_than_its_kind_is_refused_whatever_router_json_says(folder: Path, name: str) -> None:
    with (folder / name).open("ab") as stream:
        stream.truncate(LIMITS[name] + 1)
    data = json.loads((folder / "router.json").read_text()) if name != "router.json" else None
    if data is not None:
        data["files"][name]["size"] = LIMITS[name] + 1
        (folder / "router.json").write_text(json.dumps(data | {"seal": seal_of(data)}))
    refused(folder, "more than the|bytes")


def test_a_file_that_is_not_listed_is_refused_and_the_card_may_be_edited(folder: Path) -> None:
    (folder / "README.md").write_text("My router.")
    (folder / "notes.md").write_text("Nothing opens this.")
    Router.load(folder)
    (folder / "encoder" / "NOTICE").write_text("slipped in")
    refused(folder, "encoder/NOTICE does not belong to this router; remove it")


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret", "encoder/../../x", "encoder/weights.bin", "a\x1b[31m"])
def test_names_of_other_files_are_refused_and_shown_escaped(folder: Path, name: str) -> None:
    data = json.loads((folder / "router.json").read_text())
    data["files"][name] = data["files"]["head.safetensors"]
    (folder / "router.json").write_text(json.dumps(data | {"seal": seal_of(data)}))
    refused(folder, "lists .* which is no file of a router folder")


@pytest.mark.parametrize("wrong", [{"size": None}, {"size": 1.5}, {"sha256": "0"}, {"sha256": None}])
def test_a_file_without_a_size_or_a_hash_is_refused(folder: Path, wrong: dict[str, Any]) -> None:
    data = json.loads((folder / "router.json").read_text())
    data["files"]["head.safetensors"] |= wrong
    (folder / "router.json").write_text(json.dumps(data | {"seal": seal_of(data)}))
    refused(folder, r"router.json does not say what head.safetensors is")


# What is no file


@pytest.mark.parametrize("name", ["router.json", "head.safetensors", "encoder/encoder.onnx", "encoder/encoder.json"])
def test_links_are_refused_though_they_lead_to_the_same_bytes(folder: Path, name: str) -> None:
    (folder / name).rename(folder / "moved")
    (folder / name).symlink_to(folder / "moved")
    refused(folder, "link|changed")


def test_a_linked_encoder_is_refused(folder: Path) -> None:
    (folder / "encoder").rename(folder / "moved")
    (folder / "encoder").symlink_to("moved")
    refused(folder, "is a link, and links are not followed")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
@pytest.mark.parametrize("name", ["router.json", "seen.safetensors", "encoder/tokenizer.json"])
def test_a_fifo_is_refused_and_holds_nobody_up(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    refused(folder, "no regular file|changed")


# What a parser would choke on

JSON_FILES = ["router.json", "calibration.json", "certificate.json", "encoder/encoder.json", "encoder/tokenizer.json"]
HOSTILE_JSON = {
    "deep": b"[" * 200_000,
    "deep and closed": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a list": b"[]",
    "a number": b"1e999",
    "not even text": b"\xff\xfe",
    "nothing": b"",
}


@pytest.mark.parametrize("name", JSON_FILES)
@pytest.mark.parametrize("kind", HOSTILE_JSON)
def test_json_that_is_none_of_ours_is_refused(folder: Path, name: str, kind: str) -> None:
    (folder / name).write_bytes(HOSTILE_JSON[kind])
    put_right(folder)
    refused(folder)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"bias": np.array(np.nan)}, "not finite"),
        ({"weights": np.array([3e38, 3e38], dtype=np.float32)}, "too large"),
        ({"scale": np.full(16, 1e30, dtype=np.float32)}, "too large"),
        ({"bias": np.array(1e300)}, "too large"),
        ({"landmarks": np.zeros((0, 16), dtype=np.float16), "weights": np.zeros(0, dtype=np.float32)}, "no landmarks"),
        ({"landmarks": np.zeros((2, 9), dtype=np.float16)}, "do not fit together"),
        ({"version": np.array(7)}, "version 7"),
        ({"version": np.array([1, 2])}, "damaged"),
        ({"shift": np.zeros(9, np.float32), "scale": np.ones(9, np.float32)}, "do not fit together"),
        ({"slope": np.array(-1.0)}, "slope must be positive"),
        ({"slope": None}, "lacks slope"),
        ({"more": np.zeros(2)}, "an array more, which none of ours"),
        ({"weights": np.zeros(2, dtype=np.int16)}, "numbers of type I16"),
    ],
)
def test_weights_that_cannot_come_from_training_are_refused(folder: Path, changes: dict[str, Any], wrong: str) -> None:
    edit_tensors(folder / "head.safetensors", **changes)
    put_right(folder)
    refused(folder, f"head.safetensors.*{wrong}")


@pytest.mark.parametrize("changes", [{"ids": None}, {"texts": np.zeros((2, 2), dtype=np.uint64)}, {"salt": None}])
def test_hashes_of_rows_are_hashes_or_refused(folder: Path, changes: dict[str, Any]) -> None:
    edit_tensors(folder / "seen.safetensors", **changes)
    put_right(folder)
    if "salt" in changes:  # as in the formats of before
        Router.load(folder)
    else:
        refused(folder, r"seen.safetensors.*damaged")


# What does not fit


@pytest.mark.parametrize(
    ("name", "change", "wrong"),
    [
        ("calibration.json", lambda data: data.update(features=1), "text features of version 1"),
        ("calibration.json", lambda data: data.update(frontier=data["frontier"][-1:], cuts=data["cuts"][-1:]), "none"),
        ("calibration.json", lambda data: data["cuts"][0].update(threshold="0.5"), "says what none does"),
        ("calibration.json", lambda data: data["cuts"][0].update(threshold=7), "says what none does"),
        ("calibration.json", lambda data: data.update(small=3), "says what none does"),
        ("calibration.json", lambda data: data.update(cuts=[]), "no thresholds"),
        ("certificate.json", lambda data: data["provenance"].update(router_id="0" * 16), "belongs to the router 000"),
        ("certificate.json", lambda data: data["provenance"].update(small="other"), "is of the pair other -> large"),
        ("certificate.json", lambda data: data["menu"][0].update(drop="much"), "damaged"),
        ("certificate.json", lambda data: data["menu"][0].update(threshold=9), "makes no sense"),
        ("certificate.json", lambda data: data.update(menu=[]), "damaged"),
        ("router.json", lambda data: data["training"].update(n_fit="many"), "n_fit"),
        ("router.json", lambda data: data["training"].update(heldout={"n": {}}), "heldout"),
        ("router.json", lambda data: data["training"].update(score_quantiles=[0.5, 10**400]), "score_quantiles"),
        ("router.json", lambda data: data["training"].update(settings={"chosen": [1]}), "chosen"),
        ("router.json", lambda data: data.update(encoder=None), "was changed"),
        ("router.json", lambda data: data["encoder"].update(shipped="yes"), "of its encoder"),
    ],
)
def test_what_does_not_fit_is_found_at_the_loading(
    folder: Path, name: str, change: Callable[[dict[str, Any]], object], wrong: str
) -> None:
    edit(folder / name, change)
    put_right(folder)
    refused(folder, wrong)


def test_names_in_a_folder_cannot_steer_a_screen(folder: Path) -> None:
    edit(folder / "router.json", lambda data: data["training"].update(small="small\x1b[2J\u202e", about="a\nb\x07"))
    put_right(folder)
    record = Router.load(folder).record
    assert record is not None
    assert record.small == "small\\x1b[2J\\u202e"
    assert record.about == "a\nb\\x07"


@pytest.mark.parametrize("many", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_folders_changed_at_random_are_refused_or_work(base: Path, tmp_path: Path, many: int) -> None:
    came = [try_once(base, tmp_path, seed)[1] for seed in range(many)]
    assert came.count("refused") > many / 2
    assert came.count("used") > many / 20
