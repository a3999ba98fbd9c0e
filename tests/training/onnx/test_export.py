from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from hybrid_llm.errors import EncoderError, MissingExtraError
from hybrid_llm.scoring import Encoder
from hybrid_llm.training.onnx.export import export_encoder

pytestmark = pytest.mark.slow

WORDS = ["<pad>", "<unk>", "<s>", "</s>", "zero", "one", "two", "three", "four", "five", "six", "seven"]
TEXTS = ["one", "one two three", "seven " * 30, "", "four five unknown"]
SIZES = {"vocab_size": len(WORDS), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "Tiny BERT", "Bert", max_position_embeddings=40)


@pytest.fixture(scope="session")
def deberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "deberta"
    return write_model(folder, "DebertaV2", relative_attention=True, pos_att_type=["c2p", "p2c"], position_buckets=8)


@pytest.fixture(scope="session")
def float32(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("float32")
    return export_encoder(bert, out, max_tokens=32, quantise=None, name="mine", origin="a/b")


@pytest.fixture
def traced(float32: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the graph that was traced for ``float32``: tracing is what costs seconds."""
    import onnx

    monkeypatch.setattr("hybrid_llm.training.onnx.export.to_onnx", lambda module: onnx.load(float32 / "encoder.onnx"))


@pytest.fixture
def int8(bert: Path, traced: None, tmp_path: Path) -> Path:
    return export_encoder(bert, tmp_path / "int8", max_tokens=32)


def write_model(folder: Path, family: str, **config: Any) -> Path:
    """Write a model with random weights and a tokenizer of twelve words."""
    import torch
    import transformers

    torch.manual_seed(0)
    settings = SIZES | {"intermediate_size": 32, "pad_token_id": 0} | config
    model = getattr(transformers, f"{family}Model")(getattr(transformers, f"{family}Config")(**settings))
    with torch.no_grad():  # spread the weights, so that texts differ
        for weights in model.parameters():
            weights.add_(0.3 * torch.randn_like(weights))
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = [("<s>", 2), ("</s>", 3)]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=special)
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: cc0-1.0\n---\n# A model\n")
    return folder


def embeddings_by_torch(folder: Path, pooling: str) -> np.ndarray:
    """Embed the texts one by one with the model itself."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    rows = []
    for text in TEXTS:
        ids = [2, *[WORDS.index(w) if w in WORDS else 1 for w in text.split()], 3]
        with torch.inference_mode():
            hidden = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        row = hidden[0] if pooling == "cls" else hidden.mean(0)
        rows.append((row / row.norm()).numpy())
    return np.array(rows)


def test_a_float32_export_agrees_with_torch(bert: Path, float32: Path) -> None:
    embeddings = Encoder.load(float32).encode(TEXTS).embeddings
    np.testing.assert_allclose(embeddings, embeddings_by_torch(bert, "mean"), atol=1e-4)


def test_an_int8_export_is_near_torch(bert: Path, int8: Path) -> None:
    encoded = Encoder.load(int8).encode(TEXTS)
    cosines = (encoded.embeddings * embeddings_by_torch(bert, "mean")).sum(axis=1)
    assert cosines.min() > 0.98
    assert not np.array_equal(encoded.embeddings, embeddings_by_torch(bert, "mean"))
    np.testing.assert_allclose(np.linalg.norm(encoded.embeddings, axis=1), 1.0, atol=1e-5)


def test_another_family_can_be_exported(deberta: Path, tmp_path: Path) -> None:
    out = export_encoder(deberta, tmp_path / "new" / "folder", max_tokens=64, quantise=None, pooling="cls")
    embeddings = Encoder.load(out).encode(TEXTS).embeddings
    np.testing.assert_allclose(embeddings, embeddings_by_torch(deberta, "cls"), atol=1e-4)


def test_padding_in_a_batch_changes_nothing(float32: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(float32 / "encoder.onnx", providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == ["input_ids", "attention_mask"]
    alone = session.run(None, {"input_ids": [[2, 5, 3]], "attention_mask": [[1, 1, 1]]})[0]
    ids, mask = [[2, 5, 3, 0, 0], [2, 6, 7, 8, 3]], [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    padded = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
    np.testing.assert_allclose(padded[0], alone[0], atol=1e-5)


def test_the_folder_says_what_it_is_and_where_it_comes_from(int8: Path, float32: Path) -> None:
    assert sorted(p.name for p in int8.iterdir()) == ["NOTICE", "encoder.json", "encoder.onnx", "tokenizer.json"]
    info, other = (json.loads((folder / "encoder.json").read_text()) for folder in (int8, float32))
    assert (info["name"], info["dim"], info["max_tokens"]) == ("Tiny-BERT-int8", 16, 32)
    assert info["quantisation"] == "int8 dynamic, per channel, 7 bits"
    assert (other["name"], other["pooling"], other["quantisation"]) == ("mine", "mean", "none")
    notice = (int8 / "NOTICE").read_text()
    assert "cc0-1.0" in notice
    assert info["weights_sha256"] in notice
    assert "model a/b." in (float32 / "NOTICE").read_text()


def test_the_notice_names_the_command_that_makes_the_same_files(int8: Path, float32: Path) -> None:
    made_by = [(folder / "NOTICE").read_text().rpartition("Made by: ")[2] for folder in (int8, float32)]
    weights = "--quantise int8 --per-channel --reduce-range"
    assert made_by == [
        f"hybrid-llm export 'Tiny BERT' --max-tokens 32 --pooling mean {weights} --name Tiny-BERT-int8\n",
        "hybrid-llm export a/b --max-tokens 32 --pooling mean --quantise none --name mine\n",
    ]


def test_the_notice_of_the_shipped_encoder_is_the_one_that_its_command_writes(
    bert: Path, traced: None, tmp_path: Path
) -> None:
    shipped = Encoder.load().path
    name, licence = "sentence-transformers/all-MiniLM-L6-v2", "Apache-2.0"
    export_encoder(bert, tmp_path, max_tokens=32, name=shipped.name, origin=name, licence=licence)
    told, tells = ((folder / "NOTICE").read_text().splitlines() for folder in (shipped, tmp_path))
    assert [told[i] for i in (0, 1, 3, 4, 5)] == [tells[i] for i in (0, 1, 3, 4, 5)]
    assert told[6].startswith(f"Made by: hybrid-llm export {name} --max-tokens 256 ")


def test_the_folder_does_not_tell_where_it_was_made(bert: Path, int8: Path, float32: Path) -> None:
    for file in (*int8.iterdir(), *float32.iterdir()):
        content = file.read_bytes()
        assert str(bert.parent).encode() not in content
        assert b"site-packages" not in content


def test_quantising_again_gives_the_same_bytes(bert: Path, int8: Path, tmp_path: Path) -> None:
    export_encoder(bert, tmp_path / "again", max_tokens=32)
    for file in int8.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_a_graph_that_differs_from_the_model_is_not_written(bert: Path, traced: None, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="differs from the model"):
        export_encoder(bert, tmp_path / "out", max_tokens=32, pooling="cls")  # the traced graph takes the mean
    assert not (tmp_path / "out").exists()


def test_over_long_text_is_cut_to_the_budget(int8: Path) -> None:
    assert Encoder.load(int8).encode(["one " * 30, "one " * 31]).truncated.tolist() == [False, True]


def test_more_tokens_than_the_model_has_positions_are_refused(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="cannot read 41 tokens at a time: lower max_tokens"):
        export_encoder(bert, tmp_path / "out", max_tokens=41)
    assert not (tmp_path / "out").exists()


def test_pickled_weights_are_not_read(bert: Path, tmp_path: Path) -> None:
    for file in bert.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(EncoderError, match=r"no \.safetensors weights"):
        export_encoder(tmp_path, tmp_path / "out")


def test_code_that_comes_with_a_model_is_not_run(bert: Path, tmp_path: Path) -> None:
    for file in bert.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((bert / "config.json").read_text())
    config |= {"model_type": "theirs", "auto_map": {"AutoConfig": "theirs.Config", "AutoModel": "theirs.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "theirs.py").write_text("raise SystemExit('their code ran')\n")
    with pytest.raises(EncoderError, match="cannot be loaded"):
        export_encoder(tmp_path, tmp_path / "out")


def test_an_id_that_the_hub_does_not_give_asks_for_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderError, match="Pass the path of a folder"):
        export_encoder("nobody/nothing", tmp_path / "out")
    with pytest.raises(EncoderError, match="Pass the path of a folder"):
        export_encoder("no/such/path", tmp_path / "out")


@pytest.mark.parametrize("wrong", [{"pooling": "max"}, {"quantise": "int4"}])
def test_unknown_words_are_refused_with_the_known_ones(bert: Path, tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(EncoderError, match="use one of"):
        export_encoder(bert, tmp_path, **wrong)


def test_a_missing_extra_is_told_with_the_command_that_brings_it(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hybrid-llm\[finetune\]'"):
        export_encoder(bert, tmp_path)


@pytest.mark.usefixtures("traced")
def test_a_place_that_cannot_be_written_is_an_encoder_error(bert: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EncoderError, match="something on the way to it is a file"):
        export_encoder(bert, tmp_path / "file" / "out", max_tokens=32)
