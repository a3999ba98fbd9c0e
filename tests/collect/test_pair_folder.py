"""The pair folder: what is stored stays, comes back as it was, and belongs to one pair and one process."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid_llm import QualityTable
from hybrid_llm.collect import ModelName, PairFolder, Reply, Setup, write_pair_table
from hybrid_llm.errors import ConfigError, PairFolderError, TableError
from tests.collect.conftest import LARGE, SMALL, prompt, prompts, setup_with

SETUP = setup_with()


@pytest.fixture
def folder(tmp_path: Path):
    with PairFolder(tmp_path / "pair") as opened:
        opened.begin(SETUP)
        opened.add_prompts(prompts(3))
        yield opened


def first(folder: PairFolder) -> str:
    return folder.prompts()[0].id


def fill(folder: PairFolder, grader: str = "exact") -> None:
    """Answer and grade everything."""
    for asked in folder.prompts():
        for model in (SMALL, LARGE):
            folder.store(SETUP, asked.id, model, 0, Reply("4", "stop", (-0.25, -0.5), 1.5, 9, 2, "sha"), 0.25)
    for answer in folder.answers(SETUP):
        folder.grade(answer.id, grader, 1.0)


# answers


def test_an_answer_comes_back_as_it_was(folder: PairFolder) -> None:
    reply = Reply("Half \ud83d", "length", (-0.25, 0.0), 1.5, 10, 20, "sha-1")
    folder.store(SETUP, first(folder), SMALL, 2, reply, 0.125)
    (answer,) = folder.answers(SETUP)
    assert (answer.model, answer.sample, answer.cost_usd, answer.error) == ("tiny", 2, 0.125, None)
    assert answer.reply == Reply("Half ?", "length", (-0.25, 0.0), 1.5, 10, 20, "sha-1")


def test_an_error_is_no_answer_and_gives_way_to_one(folder: PairFolder) -> None:
    folder.store(SETUP, first(folder), SMALL, 0, "the server failed")
    assert folder.answered(SETUP) == set()
    assert folder.errors(SETUP) == {"tiny": {"the server failed": 1}}
    folder.store(SETUP, first(folder), SMALL, 0, Reply("4"))
    assert folder.answered(SETUP) == {(first(folder), "tiny", 0)}
    assert folder.errors(SETUP) == {}


def test_an_answer_that_is_there_gives_way_to_nothing(folder: PairFolder) -> None:
    folder.store(SETUP, first(folder), SMALL, 0, Reply("4"))
    folder.store(SETUP, first(folder), SMALL, 0, "the server failed")
    folder.store(SETUP, first(folder), SMALL, 0, Reply("5"))
    assert [answer.reply.text for answer in folder.answers(SETUP)] == ["4"]


def test_answers_of_other_settings_wait_until_these_are_back(folder: PairFolder) -> None:
    fill(folder)
    warm = setup_with(temperature=0.7)
    folder.begin(warm, force=True)
    assert folder.answered(warm) == set()
    folder.begin(SETUP, force=True)
    assert len(folder.answered(SETUP)) == 6


# dollars


def test_what_is_in_flight_is_spent_until_it_is_known(folder: PairFolder) -> None:
    held = folder.hold(LARGE, 0.5)
    assert (folder.spent(), folder.lost()) == (0.5, 0.5)
    folder.store(SETUP, first(folder), LARGE, 0, Reply("4"), 0.125, held=held)
    assert (folder.spent(), folder.lost()) == (0.125, 0.0)
    held = folder.hold(LARGE, 0.5)
    folder.store(SETUP, folder.prompts()[1].id, LARGE, 0, "refused", held=held)
    assert (folder.spent(), folder.lost()) == (0.125, 0.0)


def test_the_money_of_a_killed_process_is_spent_since_nobody_knows_better(tmp_path: Path) -> None:
    with PairFolder(tmp_path) as folder:
        folder.hold(LARGE, 0.5)
    with PairFolder(tmp_path) as folder:
        assert (folder.spent(), folder.lost()) == (0.5, 0.5)


# prompts


def test_prompts_are_stored_once_and_keep_their_order(folder: PairFolder) -> None:
    assert folder.add_prompts([prompt("New?"), *prompts(3)]) == 1
    assert [asked.query for asked in folder.prompts()] == [*(one.query for one in prompts(3)), "New?"]


def test_references_that_come_later_are_taken_and_answers_stay(folder: PairFolder) -> None:
    fill(folder)
    folder.add_prompts([one._replace(references=("4",), fields={"task": "sums"}) for one in prompts(3)])
    assert {asked.references for asked in folder.prompts()} == {("4",)}
    assert len(folder.answered(SETUP)) == 6


def test_a_corrected_reference_takes_back_the_grades_that_were_made_with_the_wrong_one(folder: PairFolder) -> None:
    fill(folder)
    wrong = [one._replace(references=("5",)) for one in prompts(3)]
    folder.add_prompts(wrong)
    for answer in list(folder.answers(SETUP)):
        folder.grade(answer.id, "exact", 0.0)
    folder.add_prompts([wrong[0]._replace(references=("4",)), wrong[1], wrong[2]._replace(references=())])
    right = {answer.id for answer in folder.answers(SETUP) if answer.prompt == folder.prompts()[0].id}
    assert folder.grades("exact").keys() == {answer.id for answer in folder.answers(SETUP)} - right


def test_prompts_of_which_no_table_could_be_made_are_refused_before_anything_is_asked(folder: PairFolder) -> None:
    with pytest.raises(TableError, match="split"):
        folder.add_prompts([prompt("One?", split="train"), prompt("Two?")])
    assert len(folder.prompts()) == 3


# the table


def test_the_table_holds_what_was_graded_with_all_that_is_known_of_it(folder: PairFolder) -> None:
    folder.add_prompts([one._replace(references=("4",), fields={"id": f"own-{n}"}) for n, one in enumerate(prompts(3))])
    fill(folder)
    bad = next(folder.answers(SETUP, LARGE))
    folder.grade(bad.id, "exact", None, {"why": "no reference"})
    path, n = write_pair_table(folder, SETUP, "exact")
    table = QualityTable.read(path)
    assert (n, len(table), table.models, table.ids) == (2, 2, ("big", "tiny"), ("own-1", "own-2"))
    response = table.responses[0]["tiny"][0]
    assert response.logprobs is not None
    assert (response.text, response.finish, response.logprobs.tolist()) == ("4", "stop", [-0.25, -0.5])
    assert (response.seconds, response.input_tokens, response.output_tokens, response.cost_usd) == (1.5, 9, 2, 0.25)
    assert table.references[0] == ("4",)


def test_scores_and_answers_that_the_prompts_brought_along_are_not_in_the_table(tmp_path: Path) -> None:
    old = {"quality": {"gone": [1]}, "responses": {"gone": ["x", "y"]}, "answers": {"gone": ["x"]}, "source": "mine"}
    with PairFolder(tmp_path) as folder:
        folder.add_prompts([prompt("One?", **old)])
        fill(folder)
        table = QualityTable.read(write_pair_table(folder, SETUP, "exact")[0])
    assert table.models == ("big", "tiny")
    assert table.extras[0]["source"] == "mine"


def test_a_table_without_grades_says_so(folder: PairFolder) -> None:
    with pytest.raises(PairFolderError, match="graded"):
        write_pair_table(folder, SETUP, "exact")


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.lists(st.floats(-50, 0, width=32), max_size=4).map(tuple)


@settings(max_examples=15)
@given(st.lists(st.tuples(texts, numbers | st.none(), st.floats(0, 1)), min_size=1, max_size=4))
def test_whatever_models_say_the_table_reads_back(tmp_path_factory: pytest.TempPathFactory, said) -> None:
    with PairFolder(tmp_path_factory.mktemp("pair")) as folder:
        folder.add_prompts(prompts(1))
        for sample, (text, logprobs, _) in enumerate(said):
            for model in (SMALL, LARGE):
                folder.store(SETUP, first(folder), model, sample, Reply(text, "stop", logprobs))
        for answer in folder.answers(SETUP):
            folder.grade(answer.id, "g", said[answer.sample][2])
        table = QualityTable.read(write_pair_table(folder, SETUP, "g")[0])
    responses = table.responses[0]["tiny"]
    assert [response.text for response in responses] == [text for text, _, _ in said]
    assert [r.logprobs if r.logprobs is None else tuple(r.logprobs.tolist()) for r in responses] == [
        logprobs for _, logprobs, _ in said
    ]
    assert table.quality[0]["tiny"] == tuple(score for _, _, score in said)


# whose folder it is


def test_a_folder_of_another_pair_is_refused(folder: PairFolder) -> None:
    fill(folder)
    with pytest.raises(PairFolderError, match=r"ollama:tiny and openai:big; choose another --out"):
        folder.begin(Setup(ModelName.read("ollama:other"), LARGE))


def test_a_name_that_was_misspelt_may_be_mended_while_nothing_is_answered(folder: PairFolder) -> None:
    mended = Setup(ModelName.read("ollama:tinier"), LARGE)
    folder.begin(mended)
    assert folder.setup() == mended


def test_other_settings_are_told_and_need_force(folder: PairFolder) -> None:
    fill(folder)
    with pytest.raises(PairFolderError, match=r"max_tokens=1024 \(now 64\); add --force"):
        folder.begin(setup_with(max_tokens=64))


def test_the_same_models_at_another_address_need_force_and_keep_their_answers(folder: PairFolder) -> None:
    fill(folder)
    moved = Setup(ModelName.read("ollama:tiny@http://box:11434"), LARGE)
    with pytest.raises(PairFolderError, match="only the address is new"):
        folder.begin(moved)
    folder.begin(moved, force=True)
    assert len(folder.answered(moved)) == 6


def test_models_need_names_of_their_own() -> None:
    with pytest.raises(ConfigError, match="called 'm'"):
        Setup(ModelName.read("ollama:m"), ModelName.read("openai:m@http://127.0.0.1:1/v1"))


# what disks and processes do


@pytest.mark.slow
def test_a_second_process_is_told_that_one_is_at_work(folder: PairFolder) -> None:
    script = "import sys, pathlib; from hybrid_llm.collect import PairFolder; PairFolder(pathlib.Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", script, str(folder.path)], capture_output=True, text=True)
    assert "Another process works in" in done.stderr
    fill(folder)  # and nothing is broken here


def store_many(folder: PairFolder) -> None:
    for sample in range(1, 1000):
        folder.store(SETUP, first(folder), SMALL, sample, Reply("x" * 500))


def test_a_full_disk_loses_nothing_that_was_stored(folder: PairFolder) -> None:
    fill(folder)
    (pages,) = folder._db.execute("PRAGMA page_count").fetchone()
    folder._db.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(PairFolderError, match=r"disk of .* is full. What was stored is kept"):
        store_many(folder)
    kept = len(folder.answered(SETUP))
    assert kept > 6
    folder._db.execute("PRAGMA max_page_count=100000")
    folder.store(SETUP, first(folder), SMALL, 2000, Reply("room again"))
    assert len(folder.answered(SETUP)) == kept + 1


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place where not even root may write")
def test_a_folder_that_may_not_be_written_says_so() -> None:
    with pytest.raises(PairFolderError, match="/proc/pair cannot be written"):
        PairFolder(Path("/proc/pair"))


def test_a_folder_that_is_a_file_says_so(tmp_path: Path) -> None:
    file = tmp_path / "pair"
    file.write_text("something")
    with pytest.raises(PairFolderError, match="cannot be written"):
        PairFolder(file)


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pair.sqlite").write_text("this is no database, but long enough to look at" * 20)
    with pytest.raises(PairFolderError, match="is damaged"):
        PairFolder(tmp_path)


def test_a_folder_of_a_later_version_is_refused(tmp_path: Path) -> None:
    PairFolder(tmp_path).__exit__(None, None, None)
    with sqlite3.connect(tmp_path / "pair.sqlite") as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(PairFolderError, match="another version"):
        PairFolder(tmp_path)


def test_a_folder_that_is_none_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(PairFolderError, match="hybrid-llm collect"):
        PairFolder.existing(tmp_path)
