"""The recipe ``full`` from a table to a router folder: every family, the same scores without torch, wrong input."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid_llm import HybridLLMWarning, QualityTable, Router
from hybrid_llm.errors import ConfigError, DamagedFolderError, EncoderError, LabelError, MissingExtraError
from hybrid_llm.scoring import Encoder, LogitHead
from hybrid_llm.training import TrainConfig, train
from hybrid_llm.training.full import recipe
from tests.small_table import make_rows
from tests.training.tiny_models import FAMILIES, write_model, write_sentencepiece

pytestmark = pytest.mark.slow

SETTINGS: dict[str, Any] = {
    "recipe": "full", "epochs": 2, "learning_rate": 3e-3, "batch_size": 16, "max_length": 32, "min_heldout": 20
}  # fmt: skip
QUERIES = [row["query"] for row in make_rows(20, seed=7)]


def fit(table: QualityTable, model: Path, progress: Any = None, **changes: Any) -> Router:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "With .* training rows the recipe full|epochs=.* steps", HybridLLMWarning)
        config = TrainConfig(**{**SETTINGS, "encoder": str(model), **changes})
        return train(table, "small", "large", config, progress=progress)


@pytest.fixture(scope="session")
def tuned(tiny: Path, table: QualityTable) -> Router:
    return fit(table, tiny, epochs=4)


@pytest.fixture
def untraced(tuned: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the graph that was traced for ``tuned``, whatever was trained: tracing is what costs seconds."""
    import onnx

    graph = tuned.scorer.encoder.path / "encoder.onnx"
    monkeypatch.setattr("hybrid_llm.training.full.serving.to_onnx", lambda *args, **more: onnx.load(graph))
    monkeypatch.setattr("hybrid_llm.training.full.serving.compare", lambda *args, **more: None)
    monkeypatch.setattr("hybrid_llm.training.full.recipe.check_scores", lambda ours, torchs: 0.0)


def test_it_learns_and_is_calibrated_like_any_router(tuned: Router, table: QualityTable) -> None:
    from hybrid_llm.metrics import evaluate

    test = table.pair("small", "large").split("test")
    figures = evaluate(tuned.score(test.queries), test.mean_small, test.mean_large, repetitions=0)
    assert figures["apgr"] > 0.6
    assert tuned.calibration.n == len(table.pair("small", "large").split("validation"))
    assert tuned.decide(QUERIES[0], threshold=0.0).route == "small"


def test_the_record_says_what_was_done(tuned: Router, table: QualityTable, tiny: Path) -> None:
    record, train_rows = tuned.record, table.pair("small", "large").split("train")
    assert record.recipe == "full"
    assert record.settings["encoder"] == "tiny-bert"
    assert str(tiny.parent) not in json.dumps(record.as_dict())
    assert record.n_fit == len(train_rows) - record.heldout["n"]
    assert record.settings["chosen"] == {"epoch": 1 + int(np.argmin([e["loss"] for e in record.heldout["epochs"]]))}
    assert record.heldout["onnx_difference"] < 1e-3
    assert record.count_seen(train_rows.ids, train_rows.queries) == len(train_rows)
    assert {"torch", "transformers", "accelerate"} <= set(record.versions)
    assert "fine-tuned on the training queries" in record.recoverable


def test_a_folder_holds_the_network_and_scores_the_same_without_torch(tuned: Router, tmp_path: Path) -> None:
    tuned.save(tmp_path / "router")
    loaded = Router.load(tmp_path / "router")
    assert loaded.id == tuned.id
    assert "ONNX (weights: float32)" in (tmp_path / "router" / "encoder" / "NOTICE").read_text()
    assert np.array_equal(loaded.score(QUERIES), tuned.score(QUERIES))
    assert sorted(file.name for file in (tmp_path / "router" / "encoder").iterdir()) == [
        "NOTICE", "encoder.json", "encoder.onnx", "tokenizer.json"
    ]  # fmt: skip
    code = (
        "import sys; from hybrid_llm import Router; "
        f"scores = Router.load({str(tmp_path / 'router')!r}).score({QUERIES!r}); "
        "print(scores.tolist(), 'torch' in sys.modules or 'transformers' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.endswith("False\n")
    assert np.allclose(json.loads(said.removesuffix("False\n")), tuned.score(QUERIES), atol=1e-6)


def test_long_queries_are_read_by_head_and_tail_as_in_training(tuned: Router) -> None:
    scorer = tuned.scorer
    assert scorer.encoder.info.max_tokens == 32
    scores, cut, familiar = scorer.score_in_full(["rivers " * 15 + "sums " * 400 + "proofs " * 15, "rivers", ""])
    again = scorer.score(["rivers " * 15 + "number " * 90 + "proofs " * 15])
    assert cut.tolist() == [True, False, False]
    assert np.isnan(familiar).all()  # a network has no landmarks to compare with
    assert scores[0] == again[0]


def test_a_damaged_folder_is_refused(tuned: Router, tmp_path: Path) -> None:
    tuned.save(tmp_path)
    graph = tmp_path / "encoder" / "encoder.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    with pytest.raises(DamagedFolderError, match=r"encoder\.onnx is not the file that was written"):
        Router.load(tmp_path)


def test_the_network_of_a_router_is_no_encoder_for_another(tuned: Router, table: QualityTable) -> None:
    with pytest.raises(EncoderError, match="is an exported encoder"):
        fit(table, tuned.scorer.encoder.path)
    with pytest.raises(EncoderError, match="fine-tuned network"):
        train(table, "small", "large", TrainConfig(encoder=str(tuned.scorer.encoder.path)))


@pytest.mark.usefixtures("untraced")
def test_training_twice_comes_to_the_same(tuned: Router, tiny: Path, table: QualityTable) -> None:
    again = fit(table, tiny, epochs=4)
    assert again.record.heldout["epochs"] == tuned.record.heldout["epochs"]
    assert again.record.score_quantiles == tuned.record.score_quantiles


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "Bert"])
def test_every_family_is_trained_and_exported(family: str, table: QualityTable, tmp_path: Path) -> None:
    router = fit(table, write_model(tmp_path / family, family, num_hidden_layers=1), epochs=1)
    assert router.record.heldout["onnx_difference"] < 1e-3
    router.save(tmp_path / "router")
    assert np.array_equal(Router.load(tmp_path / "router").score(QUERIES), router.score(QUERIES))


def test_a_model_whose_tokenizer_is_sentencepiece_alone_is_trained(
    table: QualityTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sentencepiece

    model = write_model(tmp_path / "deberta", "DebertaV2", num_hidden_layers=1, vocab_size=200, pad_token_id=0)
    write_sentencepiece(model)
    router = fit(table, model, epochs=1)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(model / "spm.model"))
    assert router.scorer.encoder.tokenizer.ids("what is number")[0] == [1, *pieces.encode("what is number"), 2]
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(MissingExtraError, match=r"a SentencePiece model, needs .*hybrid-llm\[finetune\]"):
        fit(table, model, epochs=1)


@pytest.mark.usefixtures("untraced")
def test_eight_bits_decide_alike_or_a_warning_says_how_much(tiny: Path, table: QualityTable) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        router = fit(table, tiny, epochs=4, int8=True)
    said = [str(one.message) for one in caught if "8-bit weights" in str(one.message)]
    same = router.record.heldout["int8_agreement"]
    assert 0.8 < same <= 1
    assert bool(said) == (same < 0.99)
    assert all(f"{same:.1%}" in text for text in said)
    assert router.scorer.encoder.info.quantisation.startswith("int8")


@pytest.mark.usefixtures("untraced")
def test_few_held_out_rows_choose_nothing_and_the_last_epoch_is_kept(tiny: Path, table: QualityTable) -> None:
    router = fit(table, tiny, min_heldout=1000)
    assert router.record.heldout["chosen"] is False
    assert router.record.settings["chosen"] == {"epoch": 2}
    assert router.scorer.head == LogitHead()


@pytest.mark.usefixtures("untraced")
def test_a_run_goes_on_in_its_folder_and_that_of_another_run_is_refused(
    tiny: Path, table: QualityTable, tmp_path: Path
) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if what.startswith("Fine-tuning") and done == 3:
            raise KeyboardInterrupt

    folder, steps = str(tmp_path / "kept"), []
    with pytest.raises(KeyboardInterrupt):
        fit(table, tiny, stop, checkpoints=folder, checkpoint_minutes=0.0)
    with pytest.raises(ConfigError, match="differs in learning_rate"):
        fit(table, tiny, checkpoints=folder, learning_rate=1e-3)
    other = QualityTable.from_rows(make_rows(seed=5))
    with pytest.raises(ConfigError, match=r"differs in data\)"):
        fit(other, tiny, checkpoints=folder)
    fit(table, tiny, lambda what, done, _: steps.append((what, done)), checkpoints=folder, checkpoint_minutes=0.0)
    assert next(done for what, done in steps if what.startswith("Fine-tuning")) == 4


def test_auto_takes_head(table: QualityTable, encoder: Encoder) -> None:
    router = train(table, "small", "large", encoder=encoder)
    assert TrainConfig().recipe == "auto"
    assert router.record.recipe == "head"
    assert not {"epochs", "learning_rate"} & set(router.record.settings)


@pytest.mark.usefixtures("untraced")
def test_full_says_where_head_is_likely_better_and_that_few_steps_teach_little(tiny: Path, table: QualityTable) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(table, "small", "large", TrainConfig(**{**SETTINGS, "epochs": 1, "encoder": str(tiny)}))
    said = [str(one.message) for one in caught]
    assert len(said) == 2
    assert "160 training rows the recipe full is likely no better than head" in said[0]
    assert "epochs=1 of 130 rows are 9 steps, likely too few to learn from: lower batch_size (now 16)" in said[1]
    assert all(one.filename == __file__ for one in caught)


def test_a_model_that_is_not_there_says_what_to_pass(table: QualityTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match=r"'nobody/nothing' is no folder.*Pass the path of a folder"):
        fit(table, Path("nobody/nothing"))
    with pytest.raises(ConfigError, match=r"needs a model to fine-tune.*deberta-v3-large"):
        TrainConfig(recipe="full", encoder="")


def test_more_tokens_than_the_model_reads_are_refused(tiny: Path, table: QualityTable) -> None:
    with pytest.raises(EncoderError, match="cannot read 65 tokens at a time: lower max_length"):
        fit(table, tiny, max_length=65)


def copy(model: Path, to: Path) -> Path:
    return Path(shutil.copytree(model, to))


def test_pickled_weights_and_foreign_code_are_not_read(tiny: Path, table: QualityTable, tmp_path: Path) -> None:
    pickled = copy(tiny, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(EncoderError, match=r"no \.safetensors weights"):
        fit(table, pickled)
    foreign = copy(tiny, tmp_path / "foreign")
    config = json.loads((foreign / "config.json").read_text())
    config |= {"model_type": "theirs", "auto_map": {"AutoConfig": "theirs.Config", "AutoModel": "theirs.Model"}}
    (foreign / "config.json").write_text(json.dumps(config))
    (foreign / "theirs.py").write_text("raise SystemExit('their code ran')\n")
    with pytest.raises(EncoderError, match="cannot be loaded"):
        fit(table, foreign)


def test_a_model_without_a_fast_tokenizer_is_refused(
    tiny: Path, table: QualityTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow:
        is_fast = False

    with monkeypatch.context() as patch:
        patch.setattr("transformers.AutoTokenizer.from_pretrained", lambda *args, **more: Slow())
        with pytest.raises(EncoderError, match="no fast tokenizer"):
            fit(table, tiny)
    bare = copy(tiny, tmp_path / "bare")
    for file in bare.glob("*token*"):
        file.unlink()
    with pytest.raises(EncoderError, match=r"has no tokenizer \(tokenizer.json"):
        fit(table, bare)


def test_damaged_weights_are_an_encoder_error(tiny: Path, table: QualityTable, tmp_path: Path) -> None:
    broken = copy(tiny, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(EncoderError, match="cannot be loaded"):
        fit(table, broken)


def test_labels_of_one_class_are_refused(tiny: Path) -> None:
    rows = [{**row, "quality": {"small": [0.0], "large": [1.0]}} for row in make_rows()]
    with pytest.raises(LabelError, match="nothing to learn"):
        fit(QualityTable.from_rows(rows), tiny)


def test_a_missing_extra_is_named(tiny: Path, table: QualityTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MissingExtraError, match=r"hybrid-llm\[finetune\]"):
        fit(table, tiny)


def test_an_encoder_to_serve_with_is_no_model_to_fine_tune(tiny: Path, table: QualityTable, encoder: Encoder) -> None:
    config = TrainConfig(**SETTINGS, encoder=str(tiny))
    with pytest.raises(ConfigError, match="encoder= is one to serve with"), pytest.warns(HybridLLMWarning):
        train(table, "small", "large", config, encoder=encoder)


def test_the_scorer_s_id_depends_on_network_and_head(tuned: Router) -> None:
    scorer = tuned.scorer
    assert replace(scorer, head=LogitHead(2.0, 0.0)).id != replace(scorer, head=LogitHead(2.0, 0.1)).id
    assert replace(scorer).id == scorer.id


def test_several_processes_without_checkpoints_are_refused(
    tiny: Path, table: QualityTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Two(recipe.Devices):
        def __init__(self, settings: Any) -> None:
            super().__init__(settings)
            self.count = 2

    monkeypatch.setattr(recipe, "Devices", Two)
    with pytest.raises(ConfigError, match="set checkpoints"):
        fit(table, tiny)
