from __future__ import annotations

import copy
import hashlib
import json
import multiprocessing
import pickle
import queue
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid_llm.errors import DamagedFolderError, EncoderError, NewerFormatError
from hybrid_llm.scoring import Encoder, EncoderInfo, QueryTokenizer
from hybrid_llm.scoring import encoder as encoder_module

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "zero", "one", "two", "three"]
TEXTS = [
    "What is 2+2?",
    "Prove that there are infinitely many primes.",
    "",
    "word " * 1000,
    "Translate to French: good morning.",
    "a" * 50,
    "def f(x):\n    return x",
]
HOSTILE = {
    "empty": "",
    "white space": " \t\n\u00a0\u3000",
    "nul": "\0",
    "control": "".join(map(chr, range(32))),
    "binary": bytes(range(256)).decode("latin-1") * 20,
    "lone surrogate": "what is \ud83d this?",
    "low surrogate first": "\udc00\ud800",
    "newlines": "\n" * 10_000 + "a" + "\n" * 10_000,
    "right to left": "ما هي عاصمة فرنسا؟ \u202e abc",
    "mixed scripts": "東京 and Москва و القاهرة 🧪👩‍👩‍👧",
    "combining": "e" + "\u0301" * 5000,
    "one long word": "x" * 100_000,
    "special tokens": "[CLS] [SEP] [PAD] [MASK] [UNK]",
    "not a character": "\uffff\ufffe\U0010ffff",
}


@pytest.fixture(scope="module")
def shipped() -> Encoder:
    return Encoder.load()


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """An encoder folder of a few kB: eight words, embeddings of length 4, 16 tokens."""
    return write_tiny(tmp_path / "tiny", seed=0)


def write_tiny(folder: Path, seed: int) -> Path:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    table = np.random.default_rng(seed).normal(size=(len(WORDS), 4)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("ReduceMean", ["rows", "axes"], ["mean"], keepdims=0),
        helper.make_node("LpNormalization", ["mean"], ["sentence_embedding"], axis=-1, p=2),
    ]
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "s"]) for n in ("input_ids", "attention_mask")]
    output = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["b", 4])
    constants = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1]), "axes")]
    graph = helper.make_graph(nodes, "tiny", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=9)
    folder.mkdir()
    files = {"encoder.onnx": model.SerializeToString(), "tokenizer.json": tokenizer.to_str().encode()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    EncoderInfo("tiny", 4, 16, "mean", "none", hashes, "0" * 64).write(folder)
    onnx.checker.check_model(model)
    return folder


def change(folder: Path, **fields: Any) -> None:
    path = folder / "encoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_the_shipped_encoder_gives_rows_of_length_one(shipped: Encoder) -> None:
    encoded = shipped.encode(TEXTS)
    assert encoded.embeddings.shape == (len(TEXTS), 384) == (len(TEXTS), shipped.dim)
    assert encoded.embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(encoded.embeddings, axis=1), 1.0, atol=1e-5)
    assert shipped.shipped
    assert shipped.id == f"all-MiniLM-L6-v2-int8@{shipped.sha256[:12]}"


def test_similar_questions_are_nearer_than_others(shipped: Encoder) -> None:
    a, b, c = shipped.encode(["How do I boil an egg?", "What is the way to cook eggs?", "Who won the war?"]).embeddings
    assert a @ b > 0.5 > 0.3 > a @ c


def test_an_embedding_does_not_depend_on_the_texts_beside_it(shipped: Encoder) -> None:
    together = shipped.encode(TEXTS * 5)
    for i, text in enumerate(TEXTS):
        alone = shipped.encode([text])
        for row in range(i, len(TEXTS) * 5, len(TEXTS)):
            assert np.array_equal(together.embeddings[row], alone.embeddings[0])
            assert together.truncated[row] == alone.truncated[0]


def test_no_texts_give_no_rows(shipped: Encoder) -> None:
    encoded = shipped.encode([])
    assert encoded.embeddings.shape == (0, 384)
    assert encoded.truncated.shape == (0,)


def test_of_long_texts_head_and_tail_are_read(shipped: Encoder) -> None:
    head, middle, tail = "alpha " * 127, "beta " * 500, "gamma " * 127
    whole, other, last = shipped.encode([head + middle + tail, head + "delta " * 900 + tail, head + middle]).embeddings
    assert np.array_equal(whole, other)
    assert not np.array_equal(whole, last)
    ids, cut = shipped.tokenizer.ids(head + middle + tail)
    assert (len(ids), cut) == (256, True)
    assert len(set(ids[1:128])) == len(set(ids[128:255])) == 1


def test_truncation_is_told_from_the_first_token_too_many(shipped: Encoder) -> None:
    assert shipped.encode(["word " * 254, "word " * 255]).truncated.tolist() == [False, True]


def test_a_megabyte_of_text_takes_no_longer_than_a_page(shipped: Encoder) -> None:
    page = "a sentence of five words, " * 400
    shipped.encode([page])
    times = []
    for text in (page, page * 100, "\n" * 1_000_000 + page, "x" * 1_000_000):
        start = time.process_time()
        assert shipped.encode([text]).truncated.all()
        times.append(time.process_time() - start)
    assert max(times) < 1.0


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_any_string_has_an_embedding(shipped: Encoder, text: str) -> None:
    row = shipped.encode([text]).embeddings[0]
    assert np.linalg.norm(row) == pytest.approx(1.0, abs=1e-5)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=()) | st.characters(categories=["Cs"])), max_size=3))
def test_any_strings_have_embeddings(texts: list[str]) -> None:
    embeddings = Encoder.load().encode(texts).embeddings
    assert embeddings.shape == (len(texts), 384)
    assert np.isfinite(embeddings).all()


def test_surrogates_that_form_a_pair_are_read_as_their_character(shipped: Encoder) -> None:
    split, whole = shipped.encode(["a \ud83e\uddea?", "a 🧪?"]).embeddings
    assert np.array_equal(split, whole)


@pytest.mark.parametrize("item", [None, 3, b"bytes", ["nested"]])
def test_what_is_no_text_is_named_by_its_index(shipped: Encoder, item: Any) -> None:
    with pytest.raises(TypeError, match=r"queries\[1\] is of type"):
        shipped.encode(["fine", item])


@pytest.mark.parametrize("single", ["one text", b"bytes"])
def test_one_text_in_place_of_a_list_is_refused(shipped: Encoder, single: Any) -> None:
    with pytest.raises(TypeError, match="list of texts"):
        shipped.encode(single)


def test_padding_and_truncation_of_the_tokenizer_file_have_no_say(tiny: Path) -> None:
    tokenizer = Encoder.load(tiny).tokenizer
    assert tokenizer.ids("one two three one two three") == ([2, 5, 6, 7, 5, 6, 7, 3], False)
    ids, cut = tokenizer.ids("one " * 15 + "two " * 15)
    assert (ids, cut) == ([2, *[5] * 7, *[6] * 7, 3], True)


def test_a_tokenizer_without_special_tokens_still_makes_something_of_nothing() -> None:
    from tokenizers import Tokenizer, models

    plain = QueryTokenizer(Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="b")), 8)
    assert plain.ids("") == ([0], False)


def test_a_budget_without_room_for_text_is_refused(tiny: Path) -> None:
    from tokenizers import Tokenizer

    with pytest.raises(EncoderError, match="max_tokens=3 leaves no room"):
        QueryTokenizer(Tokenizer.from_file(str(tiny / "tokenizer.json")), 3)


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
    with pytest.raises(EncoderError, match="cannot open"):
        Encoder.load(tiny).encode(["one"])


def test_a_tokenizer_that_cannot_be_parsed_is_an_encoder_error(tiny: Path) -> None:
    (tiny / "tokenizer.json").write_bytes(b"{}")
    files = json.loads((tiny / "encoder.json").read_text())["files"]
    change(tiny, files=files | {"tokenizer.json": hashlib.sha256(b"{}").hexdigest()})
    with pytest.raises(EncoderError, match=r"tokenizer.json cannot be read"):
        Encoder.load(tiny)


def test_the_id_changes_with_the_graph_and_with_the_token_budget(tiny: Path, tmp_path: Path) -> None:
    ids = {Encoder.load(tiny).id, Encoder.load(write_tiny(tmp_path / "other", seed=1)).id}
    change(tiny, max_tokens=12)
    ids.add(Encoder.load(tiny).id)
    assert len(ids) == 3


def test_loading_again_gives_the_same_session(tiny: Path) -> None:
    first = Encoder.load(tiny)
    first.encode(["one"])
    again = Encoder.load(str(tiny))
    assert again._open() is first._open()
    assert copy.deepcopy(first)._open() is first._open()
    assert copy.copy(first) is first


def test_only_a_few_encoders_are_kept_open(tmp_path: Path) -> None:
    for seed in range(8):
        Encoder.load(write_tiny(tmp_path / str(seed), seed=seed))
    assert len(encoder_module._Shared.encoders) <= 4


def test_a_pickle_holds_the_path_and_not_the_weights(shipped: Encoder, tiny: Path) -> None:
    for encoder in (shipped, Encoder.load(tiny)):
        pickled = pickle.dumps(encoder)
        assert len(pickled) < 1000
        assert pickle.loads(pickled).id == encoder.id


def test_a_pickle_of_another_encoder_than_the_folder_holds_is_refused(tiny: Path) -> None:
    pickled = pickle.dumps(Encoder.load(tiny))
    change(tiny, max_tokens=12)
    with pytest.raises(EncoderError, match="holds another encoder"):
        pickle.loads(pickled)


def test_threads_share_one_encoder(tiny: Path) -> None:
    encoder = Encoder.load(tiny)
    wanted = Encoder.load(write_tiny(tiny.parent / "same", seed=0)).encode(["one two", "three"]).embeddings
    barrier = threading.Barrier(8)

    def work(_: int) -> tuple[Any, bool]:
        barrier.wait()
        session = encoder._open()
        got = [encoder.encode(["one two", "three"]).embeddings for _ in range(20)]
        return session, all(np.array_equal(g, wanted) for g in got)

    with ThreadPoolExecutor(8) as pool:
        sessions, right = zip(*pool.map(work, range(8)), strict=True)
    assert all(right)
    assert len({id(session) for session in sessions}) == 1


def test_an_error_stops_the_other_threads(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, seen = Encoder.load(tiny), []

    def ids(text: str) -> tuple[list[int], bool]:
        seen.append(text)
        if len(seen) == 1:
            raise KeyboardInterrupt
        time.sleep(0.001)
        return [2, 3], False

    monkeypatch.setattr(encoder.tokenizer, "ids", ids)
    with pytest.raises(KeyboardInterrupt):
        encoder.encode(["one"] * 10_000)
    assert len(seen) < 1000


def _embed_in_child(encoder: Encoder, results: Any) -> None:
    results.put(encoder.encode(TEXTS).embeddings)


# A fork of a process with threads is what is tried here on purpose.
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_process_encodes_while_its_parent_is_busy(shipped: Encoder, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"{method} is not available here")
    wanted = shipped.encode(TEXTS).embeddings
    context = multiprocessing.get_context(method)
    with busy(shipped):
        children = []
        for _ in range(2):
            results = context.Queue()
            child = context.Process(target=_embed_in_child, args=(shipped, results), daemon=True)
            child.start()
            children.append((child, results))
        for child, results in children:
            try:
                got = results.get(timeout=60)
            except queue.Empty:
                child.kill()
                pytest.fail("the child hangs")
            child.join(30)
            assert child.exitcode == 0
            assert np.array_equal(got, wanted)


class busy:
    """Encodes on two threads, and takes the lock of the module again and again."""

    def __init__(self, encoder: Encoder) -> None:
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(encoder,)) for _ in range(2)]
        self.threads.append(threading.Thread(target=self.hold))

    def work(self, encoder: Encoder) -> None:
        while not self.stop.is_set():
            encoder.encode(TEXTS)

    def hold(self) -> None:
        while not self.stop.is_set():
            with encoder_module._Shared.lock:
                time.sleep(0.005)

    def __enter__(self) -> None:
        for thread in self.threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture(scope="module")
def fresh() -> dict[str, Any]:
    """What a fresh process has loaded and written after the import, and after one text."""
    code = """
import json, sys
import hybrid_llm.scoring.encoder as e
before = sorted(m for m in ("onnxruntime", "tokenizers", "torch", "transformers") if m in sys.modules)
e.Encoder.load().encode(["one", "two", "three"])
after = sorted(m for m in ("onnxruntime", "tokenizers", "torch", "transformers") if m in sys.modules)
print(json.dumps({"before": before, "after": after}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return json.loads(done.stdout) | {"stderr": done.stderr}


def test_the_import_loads_no_runtime_and_encoding_no_torch(fresh: dict[str, Any]) -> None:
    assert fresh["before"] == []
    assert fresh["after"] == ["onnxruntime", "tokenizers"]


def test_nothing_is_written_to_the_terminal(fresh: dict[str, Any]) -> None:
    assert fresh["stderr"] == ""
