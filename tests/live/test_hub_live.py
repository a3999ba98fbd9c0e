"""An encoder by its hub id, downloaded by the hub's own client from a hub on loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live._hub import MAIN, OFFER, Hub, hub_of
from tests.small_table import make_rows
from tests.training.tiny_models import write_model

pytestmark = [pytest.mark.live, pytest.mark.allow_hosts(["127.0.0.1"])]
NAME = "somebody/tiny-bert"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, with things beside it that nobody should download."""
    folder = write_model(tmp_path_factory.mktemp("models") / "tiny-bert", num_hidden_layers=1)
    for name in ("pytorch_model.bin", "modeling_theirs.py", "training_args.bin"):
        (folder / name).write_bytes(b"must not be read")
    return folder


@pytest.fixture(scope="module")
def pickled(model: Path) -> Path:
    """The same without safetensors."""
    folder = model.with_name("pickled")
    shutil.copytree(model, folder)
    (folder / "model.safetensors").unlink()
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in make_rows()))
    return file


def train(table: Path, hub: Hub, folder: Path, *options: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Train by the command line, in a process of its own: the hub's client reads its address when it is imported."""
    command = [sys.executable, "-m", "hybrid_llm.cli", "train", table, "--small", "small", "--large", "large"]
    command += ["--recipe", "full", "--encoder", NAME, "--epochs", "1", "--batch-size", "16", "--max-length", "32"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **hub.environment(folder / "hub"), **more}
    return subprocess.run(
        [*map(str, command), "--out", str(folder / "router"), *options], capture_output=True, text=True, env=environment
    )


def test_a_model_is_downloaded_once_without_pickles_and_code_and_is_there_offline(
    model: Path, table: Path, tmp_path: Path
) -> None:
    with hub_of(NAME, revisions={MAIN: model}) as hub:
        done = train(table, hub, tmp_path)
        assert done.returncode == 0, done.stderr
    wanted = [file.name for file in model.iterdir() if file.suffix in (".json", ".safetensors", ".md")]
    assert sorted(hub.fetched) == sorted(wanted)
    assert NAME in (tmp_path / "router" / "encoder" / "NOTICE").read_text()
    assert json.loads((tmp_path / "router" / "router.json").read_text())["training"]["settings"]["encoder"] == NAME
    offline = train(table, hub, tmp_path, "--force", HF_HUB_OFFLINE="1")
    assert offline.returncode == 0, offline.stderr


def test_for_a_pickled_model_the_safetensors_that_the_hub_s_converter_offers_are_taken(
    model: Path, pickled: Path, table: Path, tmp_path: Path
) -> None:
    with hub_of(NAME, revisions={MAIN: pickled, OFFER: model}, offered_by="SFconvertbot") as hub:
        done = train(table, hub, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "model.safetensors" in hub.fetched
    assert "pytorch_model.bin" not in hub.fetched


def test_weights_that_only_a_stranger_offers_are_not_taken(
    model: Path, pickled: Path, table: Path, tmp_path: Path
) -> None:
    with hub_of(NAME, revisions={MAIN: pickled, OFFER: model}, offered_by="somebody-else") as hub:
        refused = train(table, hub, tmp_path)
    assert refused.returncode == 1
    assert "has no .safetensors weights, and pickled ones are not read" in refused.stderr
    assert "model.safetensors" not in hub.fetched


def test_an_unknown_model_a_broken_download_and_a_hub_that_is_down_are_one_sentence(
    model: Path, table: Path, tmp_path: Path
) -> None:
    with hub_of("somebody/else", revisions={MAIN: model}) as hub:
        unknown = train(table, hub, tmp_path)
    with hub_of(NAME, revisions={MAIN: model}, breaks="model.safetensors") as hub:
        broken = train(table, hub, tmp_path)
    down = train(table, hub, tmp_path)
    for refused in (unknown, broken, down):
        assert refused.returncode == 1
        assert f"error: '{NAME}' is no folder here, and the Hugging Face hub did not give it" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert "bug" not in refused.stderr
