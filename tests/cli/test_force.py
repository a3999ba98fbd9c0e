"""``train``, ``calibrate`` and ``certify`` replace no router, thresholds or certificate without ``--force``."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from hybrid_llm import Router
from hybrid_llm.router import claim
from tests.cli.conftest import PAIR, Result, run

OTHER = ("--small", "other", "--large", "large")


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copy"))


@pytest.fixture
def certified(copy: Path, fresh: Path) -> Path:
    assert run("certify", fresh, *PAIR, "--router", copy, "--max-drop", 0.2).code == 0
    return copy


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def refused(folder: Path, said: str, *command: object) -> None:
    """Run a command that would replace the folder: it is refused and changes nothing, until it is forced."""
    before = contents(folder)
    shown = run(*command)
    assert (shown.code, shown.out) == (1, "")
    assert shown.err == f"error: {folder} {said}; add --force to replace it, or choose another --out.\n"
    assert contents(folder) == before
    forced(*command)


def forced(*command: object) -> Result:
    shown = run(*command, "--force")
    assert shown.code == 0
    return shown


def test_train_replaces_no_router(copy: Path, table: Path) -> None:
    refused(
        copy, "holds a router trained on 160 rows (small -> large)", "train", table, *OTHER, "--out", copy, "--json"
    )
    record = Router.load(copy).record
    assert record is not None
    assert record.small == "other"


def test_train_says_so_before_it_reads_a_row(certified: Path) -> None:
    shown = run("train", "no-such-file.jsonl", *PAIR, "--out", certified)
    assert "holds a router trained on 160 rows (small -> large), with a certificate; add --force" in shown.err


def test_calibrate_puts_no_router_in_the_place_of_another(trained: Path, table: Path, fresh: Path, copy: Path) -> None:
    assert run("train", table, *OTHER, "--out", copy, "--force").code == 0
    refused(
        copy,
        "holds a router trained on 160 rows (other -> large)",
        *("calibrate", fresh, *PAIR, "--router", trained, "--out", copy),
    )


def test_calibrate_in_place_replaces_thresholds_only_by_force_and_keeps_the_certificate(
    certified: Path, fresh: Path
) -> None:
    before = Router.load(certified)
    refused(
        certified,
        "would lose its thresholds for small -> large, measured on 40 rows",
        *("calibrate", fresh, *PAIR, "--router", certified, "--out", certified),
    )
    after = Router.load(certified)
    assert after.calibration is not None
    assert (after.id, after.certificate, after.calibration.n) == (before.id, before.certificate, 240)


def test_calibrate_in_place_without_thresholds_loses_nothing(copy: Path, fresh: Path) -> None:
    Router.load(copy).override(calibration=None).save(copy)
    assert run("calibrate", fresh, *PAIR, "--router", copy, "--out", copy).code == 0


def test_certify_in_place_replaces_a_certificate_only_by_force(certified: Path, fresh: Path) -> None:
    refused(
        certified,
        "would lose its certificate for small -> large",
        *("certify", fresh, *PAIR, "--router", certified, "--max-drop", 0.1),
    )
    menu = Router.load(certified).certificate
    assert menu is not None
    assert menu.max_drop == 0.1


def test_certify_in_place_replaces_the_thresholds_of_another_pair_only_by_force(copy: Path, fresh: Path) -> None:
    refused(
        copy,
        "would lose its thresholds for small -> large, measured on 40 rows",
        *("certify", fresh, *OTHER, "--router", copy),
    )


def test_a_void_certificate_is_replaced_as_if_there_were_none(copy: Path, table: Path, fresh: Path) -> None:
    assert run("certify", table, *PAIR, "--router", copy, "--allow-leak").code == 0
    assert run("certify", fresh, *PAIR, "--router", copy).code == 0


def test_certify_out_keeps_the_result_elsewhere(trained: Path, fresh: Path, tmp_path: Path) -> None:
    before = contents(trained)
    shown = run("certify", fresh, *PAIR, "--router", trained, "--out", tmp_path / "proved", "--max-drop", 0.2)
    assert shown.code == 0
    assert f"Kept in {tmp_path / 'proved'}" in shown.out
    assert contents(trained) == before
    proved = Router.load(tmp_path / "proved")
    assert proved.certificate is not None
    assert (proved.id, proved.calibration) == (Router.load(trained).id, Router.load(trained).calibration)


def test_certify_out_replaces_no_router(trained: Path, table: Path, fresh: Path, copy: Path) -> None:
    assert run("train", table, *OTHER, "--out", copy, "--force").code == 0
    refused(
        copy,
        "holds a router trained on 160 rows (other -> large)",
        *("certify", fresh, *PAIR, "--router", trained, "--out", copy),
    )


def test_certify_out_takes_no_place_of_something_else(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    shown = run("certify", "no-such-file.jsonl", *PAIR, "--router", trained, "--out", tmp_path, "--force")
    assert shown.err == f"error: {tmp_path} exists and is no router folder; choose another --out.\n"


def test_a_wrong_name_is_said_before_what_would_be_lost(certified: Path, fresh: Path) -> None:
    shown = run("certify", fresh, "--small", "smal", "--large", "large", "--router", certified)
    assert "Did you mean 'small'" in shown.err


@pytest.mark.parametrize("name", ["notes/README.md", ".git/config"])
def test_files_of_the_users_own_are_never_replaced(copy: Path, table: Path, fresh: Path, name: str) -> None:
    (copy / name).parent.mkdir()
    (copy / name).write_text("mine")
    for command in (
        ("train", table, *PAIR, "--out", copy),
        ("calibrate", fresh, *PAIR, "--out", copy),
        ("certify", fresh, *PAIR, "--router", copy),
    ):
        shown = run(*command, "--force")
        assert shown.code == 1
        assert f"also holds what is not part of a router folder: {name.split('/')[0]!r}; move that" in shown.err
    assert (copy / name).read_text() == "mine"


def test_of_two_runs_the_second_says_that_somebody_is_writing(copy: Path, table: Path, fresh: Path) -> None:
    def second(*command: object) -> str:
        found: list[Result] = []
        thread = threading.Thread(target=lambda: found.append(run(*command, "--force")))
        thread.start()
        thread.join()
        assert found[0].code == 1
        return found[0].err

    with claim(copy):
        assert "is being written by another thread; wait for it" in second("certify", fresh, *PAIR, "--router", copy)
        assert "is being written by" in second("train", table, *PAIR, "--out", copy)
    forced("train", table, *PAIR, "--out", copy)
