"""``train --no-landmark-rows``: a head that no training query can be read off."""

from __future__ import annotations

from hybrid_llm import Router
from tests.cli.conftest import PAIR, run


def test_the_option_keeps_means_and_the_card_says_so(table, tmp_path):
    assert run("train", table, *PAIR, "--no-landmark-rows", "--out", tmp_path / "router").code == 0
    assert Router.load(tmp_path / "router").record.settings["landmark_rows"] is False
    assert "The head holds no training query" in (tmp_path / "router" / "README.md").read_text()


def test_fine_tuning_has_no_landmarks(table, tmp_path):
    shown = run("train", table, *PAIR, "--recipe", "full", "--encoder", "x", "--no-landmark-rows", "--out", tmp_path)
    assert shown.code == 2
    assert "--no-landmark-rows belongs to the recipe head" in shown.err
