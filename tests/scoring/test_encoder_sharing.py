"""One encoder in a process: shared by threads, small in a pickle, safe in a child, light to import."""

from __future__ import annotations

import copy
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

from hybrid_llm.errors import EncoderError
from hybrid_llm.scoring import Encoder
from hybrid_llm.scoring import encoder as encoder_module
from tests.scoring.tiny_encoder import change, write_tiny

TEXTS = ["What is 2+2?", "", "word " * 1000, "def f(x):\n    return x"]


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
@pytest.mark.slow
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
