"""The measured pages say what was measured: each equals what its study writes from the results that it kept."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import pages
from benchmarks.common.places import MEASURED, ROOT
from benchmarks.common.results import DIGITS, file_of, keep, lines, read, rounded

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize("study", pages.studies())
def test_a_page_is_what_its_study_writes_from_kept_results(study: str, tmp_path: Path) -> None:
    page = pages.page_of(study)
    again = Path(shutil.copy(page, tmp_path))
    pages.rewrite(study, again, pictures=False)
    assert again.read_text(encoding="utf-8") == page.read_text(encoding="utf-8"), f"python -m benchmarks.pages {study}"


@pytest.mark.parametrize("study", pages.studies())
def test_results_are_kept_rounded_and_compact(study: str) -> None:
    text, results = file_of(study).read_text(encoding="utf-8"), read(file_of(study))
    assert rounded(results) == results
    assert text == lines(results) + "\n"


@given(PLAIN)
def test_whatever_is_written_is_read_again(value: object) -> None:
    assert json.loads(lines(value)) == value


def test_a_record_takes_a_line_and_a_number_five_digits(tmp_path: Path) -> None:
    file, record = tmp_path / "new" / "results.json", {"value": 1 / 3, "ci": (0.123456789, float("inf")), "n": 1234567}
    kept = keep(file, [record] * 9)
    assert kept == read(file) == [{"value": 0.33333, "ci": [0.12346, None], "n": 1234567}] * 9
    assert DIGITS == 5
    assert len(file.read_text(encoding="utf-8").splitlines()) == 11


def test_an_unknown_study_is_named_with_those_that_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["pages", "no_such_study"])
    with pytest.raises(SystemExit):
        pages.main()
    said = f"no results are kept of no_such_study; there are {', '.join(pages.studies())}"
    assert said in " ".join(capsys.readouterr().err.split())


def test_the_index_names_every_measured_page_and_commands_that_there_are() -> None:
    index = (MEASURED / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((\w+\.md)\)", index)) == {file.name for file in MEASURED.glob("[a-z]*.md")}
    for module in re.findall(r"python -m ([\w.]+)", index + (ROOT / "benchmarks" / "README.md").read_text("utf-8")):
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").exists(), module
