"""Fine-tuning in processes of its own: killed and gone on with, and several of them together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hybrid_llm import Router
from tests.small_table import make_rows
from tests.training.tiny_models import WORDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
RUN = f"""
import os, signal, sys
import numpy as np, torch
from pathlib import Path
from hybrid_llm.training.full.checkpoints import Checkpoints
from hybrid_llm.training.full.devices import Devices
from hybrid_llm.training.full.finetune import TokenRows, fine_tune, logits
from hybrid_llm.training.config import FineTuneSettings
from hybrid_llm.training.onnx.hub import quiet
from hybrid_llm.training.full.network import logit_network

torch.set_num_threads(1)
model, folder, out, kill_at, dropout = sys.argv[1:]
settings = FineTuneSettings(epochs=2, learning_rate=3e-3, batch_size=16, device_batch_size=4, max_length=32,
                            dropout=float(dropout), checkpoint_minutes=0.0)
rng = np.random.default_rng(0)
# 17 parts of four rows: in the last step of an epoch the second of two processes has nothing to do
ids = [[0, *rng.integers(4, {len(WORDS)}, size=rng.integers(2, 20)).tolist(), 2] for _ in range(68)]
labels = np.array([float(len(some) % 2) for some in ids])
rows = TokenRows(ids, labels, labels, np.full(68, 0.9))
devices = Devices(settings)
with quiet():
    network = logit_network(Path(model), settings, 0.5, seed=0)
if float(dropout) == 0:
    for part in network.modules():
        part.__dict__.update(p=0.0) if isinstance(part, torch.nn.Dropout) else None
checkpoints = Checkpoints(Path(folder), {{}}) if devices.first else None
devices.wait()
checkpoints = checkpoints or Checkpoints(Path(folder), {{}})

def progress(what, done, total):
    if done == int(kill_at):
        os.kill(os.getpid(), signal.SIGKILL)

tuned = fine_tune(network, rows, rows, settings, 0, devices=devices, checkpoints=checkpoints, progress=progress)
found = logits(network, ids, settings, devices)
devices.part()
if devices.first:
    np.savez(out, logits=found, losses=[epoch.loss for epoch in tuned.epochs], processes=devices.count)
os._exit(0)  # see hybrid_llm.cli.__main__
"""


LAUNCH = ("-m", "accelerate.commands.launch", "--quiet", "--multi_gpu", "--num_processes", 2, "--main_process_port", 0)
"""Several processes as for several GPUs: where there is none, each works on the CPU."""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("script") / "run.py"
    file.write_text(RUN)
    return file


def start(*command: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    return subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, timeout=300, env=environment, cwd=ROOT
    )


def result(file: Path) -> dict[str, np.ndarray]:
    with np.load(file) as kept:
        return dict(kept)


def test_a_run_killed_in_the_middle_of_an_epoch_goes_on_to_the_same_result(
    script: Path, tiny: Path, tmp_path: Path
) -> None:
    killed = start(script, tiny, tmp_path / "kept", tmp_path / "killed.npz", 7, 0.1)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed.npz").exists()
    for name in ("kept", "whole"):
        done = start(script, tiny, tmp_path / name, tmp_path / f"{name}.npz", 0, 0.1)
        assert done.returncode == 0, done.stderr
    kept, whole = result(tmp_path / "kept.npz"), result(tmp_path / "whole.npz")
    assert np.array_equal(kept["logits"], whole["logits"])
    assert np.array_equal(kept["losses"], whole["losses"])


def test_two_processes_come_to_what_one_does(script: Path, tiny: Path, tmp_path: Path) -> None:
    two = start(*LAUNCH, script, tiny, tmp_path / "two", tmp_path / "two.npz", 0, 0.0)
    assert two.returncode == 0, two.stderr
    one = start(script, tiny, tmp_path / "one", tmp_path / "one.npz", 0, 0.0)
    assert one.returncode == 0, one.stderr
    together, alone = result(tmp_path / "two.npz"), result(tmp_path / "one.npz")
    assert (together["processes"], alone["processes"]) == (2, 1)
    np.testing.assert_allclose(together["logits"], alone["logits"], atol=2e-3)
    np.testing.assert_allclose(together["losses"], alone["losses"], atol=1e-4)


def test_accelerate_launch_trains_one_router_and_one_process_speaks(tiny: Path, tmp_path: Path) -> None:
    rows, out = tmp_path / "rows.jsonl", tmp_path / "router"
    rows.write_text("".join(json.dumps(row) + "\n" for row in make_rows()))
    command = ["-m", "hybrid_llm.cli", "train", rows, "--small", "small", "--large", "large", "--out", out]
    command += ["--recipe", "full", "--encoder", tiny, "--epochs", 1, "--batch-size", 16, "--max-length", 32]
    command += ["--checkpoints", tmp_path / "kept"]
    done = start(*LAUNCH, *command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Router ") == 1
    assert done.stderr.count("warning: With 160 training rows") == 1
    assert Router.load(out).record.recipe == "full"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["router", "rows.jsonl"]
