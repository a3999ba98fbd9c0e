"""``hybrid-llm export``: a folder that an encoder is loaded from, what is printed, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hybrid_llm.scoring import Encoder
from tests.cli.conftest import Result, run
from tests.training.tiny_models import write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny-bert", num_hidden_layers=1)


@pytest.fixture(scope="module")
def exported(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("exported") / "encoder"
    return out, run("export", model, "--out", out, "--max-tokens", 32, "--quantise", "none", "--json")


@pytest.fixture
def traced(exported: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the graph that was traced for ``exported``: tracing is what costs seconds."""
    import onnx

    graph = exported[0] / "encoder.onnx"
    monkeypatch.setattr("hybrid_llm.training.onnx.export.to_onnx", lambda module: onnx.load(graph))


@pytest.mark.slow
def test_it_writes_an_encoder_and_says_in_json_what_it_is(exported: tuple[Path, Result]) -> None:
    out, shown = exported
    assert (shown.code, shown.err) == (0, "")
    said, written = shown.json, json.loads((out / "encoder.json").read_text())
    assert (said["out"], said["bytes"]) == (str(out), (out / "encoder.onnx").stat().st_size)
    for key in ("name", "dim", "max_tokens", "pooling", "quantisation", "weights_sha256"):
        assert said[key] == written[key]
    assert (said["name"], said["max_tokens"], said["quantisation"]) == ("tiny-bert", 32, "none")
    assert Encoder.load(out).encode(["one", "two"]).embeddings.shape == (2, said["dim"])


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
def test_options_say_how_the_weights_are_stored_and_what_the_notice_tells(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "encoder"
    stored = ("--quantise", "uint8", "--no-reduce-range", "--no-per-channel")
    told = ("--name", "mine", "--origin", "a/b", "--licence", "MIT")
    shown = run("export", model, "--out", out, "--max-tokens", 16, *stored, *told)
    assert (shown.code, shown.out, shown.err) == (0, f"Encoder mine (0.0 MB) is in {out}\n", "")
    assert Encoder.load(out).info.quantisation == "uint8 dynamic, per tensor, 8 bits"
    notice = (out / "NOTICE").read_text()
    assert "derived from the model a/b.\nLicence of the model: MIT\n" in notice
    assert "Made by: hybrid-llm export a/b --max-tokens 16 " in notice
    assert "--quantise uint8 --no-per-channel --no-reduce-range --name mine\n" in notice


@pytest.mark.slow
def test_a_folder_that_is_no_model_is_told_in_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    shown = run("export", tmp_path, "--out", tmp_path / "out")
    assert (shown.code, shown.out) == (1, "")
    assert shown.err.startswith(f"error: {tmp_path} has no .safetensors weights")
    assert shown.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--pooling", "max"), "--pooling is mean or cls, not 'max'"),
        (("--quantise", "int4"), "--quantise is int8 or uint8 or none, not 'int4'"),
        (("--max-tokens", "many"), "'--max-tokens'"),
    ],
)
def test_a_word_that_is_not_known_is_wrong_usage(tmp_path: Path, options: tuple[str, str], said: str) -> None:
    shown = run("export", tmp_path, "--out", tmp_path / "out", *options)
    assert (shown.code, shown.out) == (2, "")
    assert said in shown.err
    assert shown.err.endswith("hybrid-llm export --help shows the options and an example.\n")
