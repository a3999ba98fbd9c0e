"""Checkpoints: whole or not there, and of one run."""

import pytest

from hybrid_llm.errors import ConfigError, DamagedFolderError, RouterFolderError
from hybrid_llm.training.full.checkpoints import Checkpoints, remove_checkpoints

pytestmark = pytest.mark.slow

RUN = {"epochs": 5, "data": "abc", "grid": (1, 2)}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


@pytest.fixture
def kept(folder):
    import torch

    kept = Checkpoints(folder, RUN)
    kept.save_best(2, {"w": torch.ones(3)})
    kept.save(3, 2, {"step": 3}, {"w": torch.arange(3.0), "scalar": torch.tensor(7.0)})
    return kept


def test_a_new_folder_has_no_checkpoint(folder):
    assert Checkpoints(folder, RUN).latest() is None


def test_what_was_saved_is_read_by_the_next_process(kept, folder):
    again = Checkpoints(folder, RUN)
    saved = again.latest()
    assert saved.state == {"step": 3}
    assert saved.tensors["w"].tolist() == [0, 1, 2]
    assert saved.tensors["scalar"].shape == ()
    assert again.best(2)["w"].tolist() == [1, 1, 1]


def test_only_the_last_checkpoint_and_the_best_weights_are_kept(kept, folder):
    import torch

    kept.save_best(4, {"w": torch.zeros(3)})
    kept.save(5, 4, {"step": 5}, {"w": torch.zeros(3)})
    assert sorted(entry.name for entry in folder.iterdir()) == ["best-00000004", "run.json", "step-00000005"]


def test_best_weights_without_their_checkpoint_do_no_harm(kept, folder):
    import torch

    kept.save_best(5, {"w": torch.zeros(3)})  # killed before the checkpoint that tells of them
    again = Checkpoints(folder, RUN)
    assert again.latest().state == {"step": 3}
    again.save_best(5, {"w": torch.ones(3)})
    again.save(5, 5, {"step": 5}, {"w": torch.zeros(3)})
    assert again.best(5)["w"].tolist() == [1, 1, 1]


def test_the_folder_of_another_run_is_refused_with_what_differs(kept, folder):
    with pytest.raises(ConfigError, match=r"another run \(it differs in data, seed\)"):
        Checkpoints(folder, {**RUN, "data": "other", "seed": 1})
    assert Checkpoints(folder, RUN).latest() is not None


def test_a_folder_with_something_else_is_refused(folder):
    folder.mkdir()
    (folder / "photo.jpg").touch()
    with pytest.raises(ConfigError, match="holds no checkpoints"):
        Checkpoints(folder, RUN)
    assert [entry.name for entry in folder.iterdir()] == ["photo.jpg"]


@pytest.mark.parametrize("when", ["tensors", "state"])
def test_a_full_disk_leaves_the_earlier_checkpoint_and_says_how_to_go_on(kept, folder, monkeypatch, when):
    import torch

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    def half(tensors, path):
        path.write_bytes(b"half")
        full()

    with monkeypatch.context() as patch:
        if when == "tensors":
            patch.setattr("safetensors.torch.save_file", half)
        else:
            patch.setattr("hybrid_llm.disk.writing.flush", full)
        with pytest.raises(RouterFolderError, match=r"No space left.*same command.*goes on"):
            kept.save(9, 2, {"step": 9}, {"w": torch.zeros(3)})
    again = Checkpoints(folder, RUN)
    assert again.latest().state == {"step": 3}
    assert again.best(2)["w"].tolist() == [1, 1, 1]
    again.save(9, 2, {"step": 9}, {"w": torch.zeros(3)})
    assert sorted(entry.name for entry in folder.iterdir()) == ["best-00000002", "run.json", "step-00000009"]


def test_what_a_killed_write_left_behind_is_not_read_and_goes(kept, folder):
    import torch

    (folder / ".new-abc").mkdir()
    (folder / ".new-abc" / "tensors.safetensors").write_bytes(b"half")
    again = Checkpoints(folder, RUN)
    assert again.latest().state == {"step": 3}
    again.save(4, 2, {"step": 4}, {"w": torch.zeros(3)})
    assert not (folder / ".new-abc").exists()


def test_a_damaged_checkpoint_is_an_error_not_a_fresh_start(kept, folder):
    (folder / "step-00000003" / "tensors.safetensors").write_bytes(b"nonsense")
    with pytest.raises(DamagedFolderError, match="cannot be read"):
        Checkpoints(folder, RUN).latest()
    (folder / "step-00000003" / "state.json").write_text("{")
    with pytest.raises(DamagedFolderError, match="cannot be read"):
        Checkpoints(folder, RUN).latest()
    (folder / "run.json").write_text("{")
    with pytest.raises(DamagedFolderError, match=r"run\.json cannot be read"):
        Checkpoints(folder, RUN)


def test_a_place_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises((RouterFolderError, DamagedFolderError), match="file"):
        Checkpoints(tmp_path / "file" / "checkpoints", RUN)


def test_removing_leaves_what_is_not_ours(kept, folder):
    (folder / "notes.txt").write_text("mine")
    remove_checkpoints(folder)
    assert [entry.name for entry in folder.iterdir()] == ["notes.txt"]
    remove_checkpoints(folder)
