"""Whatever text comes in: a score or a clear error, never a crash or a hang; and no damaged file is used."""

import functools
import io
import json
import shutil
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm import Router
from hybrid_llm.cli import main
from hybrid_llm.errors import DamagedFolderError, HybridLLMError
from hybrid_llm.scoring import encoder_folder

HOSTILE = {
    "a megabyte": "all work and no play " * 50_000,
    "a megabyte without a space": "x" * 1_000_000,
    "a megabyte beyond ascii": "漢字" * 500_000,
    "binary": bytes(range(256)).decode("latin-1") * 40,
    "nul": "\0" * 100,
    "lone surrogates": "what is \ud83d this? \udc00\ud800",
    "10,000 newlines": "\n" * 10_000 + "a" + "\n" * 10_000,
    "10,000 indented newlines": " \n" * 10_000 + "a" + "\n\t" * 10_000,
    "10,000 choices": "A) \n" * 10_000,
    "10,000 open brackets": "a(" * 10_000,
    "10,000 semicolons": "; " * 10_000,
    "10,000 backslashes": "\\a" * 10_000,
    "right to left": "ما هي عاصمة فرنسا؟ \u202e abc",
    "mixed scripts": "東京 and Москва و القاهرة 🧪👩‍👩‍👧",
    "combining": "e" + "\u0301" * 5000,
    "not a character": "\uffff\ufffe\U0010ffff",
}
BLANK = {"empty": "", "white space": " \t\n\u00a0\u3000", "newlines alone": "\n" * 10_000}
any_text = st.text(st.characters(exclude_categories=()) | st.characters(categories=["Cs"]), max_size=80)


@functools.cache
def loaded() -> Router:
    """The shipped router, for properties, which take no fixtures."""
    return Router.load()


@pytest.fixture(scope="module")
def shipped() -> Router:
    return loaded()


@pytest.mark.slow
@pytest.mark.parametrize("text", (HOSTILE | BLANK).values(), ids=(HOSTILE | BLANK).keys())
def test_any_text_has_a_score_within_a_second(shipped, text):
    start = time.process_time()
    score = shipped.score([text])
    assert time.process_time() - start < 1
    assert score.shape == (1,)
    assert 0 < score[0] < 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:A query is unlike")
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_any_text_gets_a_decision_that_says_whether_it_was_cut(shipped, text):
    decision = shipped.decide(text, threshold=0.5)
    assert decision.reason == "score"
    assert decision.score == shipped.score([text])[0]
    assert decision.truncated == (shipped.scorer.encoder.encode([text]).truncated[0])
    if len(text) >= 1_000_000:
        assert decision.truncated


@pytest.mark.parametrize("text", BLANK.values(), ids=BLANK.keys())
def test_no_text_goes_to_large(shipped, text):
    decision = shipped.decide(text, threshold=0.0)
    assert (decision.route, decision.reason) == ("large", "no_text")


@given(st.lists(any_text, max_size=4))
def test_any_texts_have_scores_that_do_not_depend_on_each_other(texts):
    router = loaded()
    scores = router.score(texts)
    assert scores.shape == (len(texts),)
    assert ((scores > 0) & (scores < 1)).all()
    assert scores.tolist() == [router.score([text])[0] for text in texts]


anything = st.none() | st.integers() | st.binary(max_size=3) | any_text | st.lists(any_text | st.none(), max_size=3)


@pytest.mark.filterwarnings("ignore:A query is unlike")
@given(anything)
def test_anything_else_is_a_type_error_that_names_it(thing):
    router = loaded()
    texts = isinstance(thing, list) and all(isinstance(text, str) for text in thing)
    for verb in (router.score, lambda queries: router.decide_many(queries, threshold=0.5)):
        if texts:
            assert len(verb(thing)) == len(thing)
        else:
            with pytest.raises(TypeError, match=r"list|Query \d+|not iterable"):
                verb(thing)


@pytest.mark.parametrize("verb", ["score", "decide_many", "ascore", "adecide_many"])
async def test_none_in_a_list_is_named_by_its_place(shipped, verb):
    with pytest.raises(TypeError, match="Query 1 is NoneType"):
        await getattr(shipped, verb)(["fine", None])


@pytest.mark.parametrize("verb", ["score", "score_iter", "decide_many", "ascore", "adecide_many"])
async def test_one_text_in_place_of_a_list_is_refused(shipped, verb):
    with pytest.raises(TypeError, match=r"one query use"):
        await getattr(shipped, verb)("one text")


def command(*arguments):
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = main(list(arguments))
    return code, out.getvalue(), err.getvalue()


def assert_no_line_but_the_warning_of_an_unfamiliar_query(err: str) -> None:
    lines = err.splitlines()
    assert all(line.startswith("warning: A query is unlike those") for line in lines)
    assert len(lines) <= 1


@pytest.mark.slow
def test_the_command_line_takes_any_text(shipped):
    code, out, err = command("route", "--threshold", "0.5", "--json", "--", *HOSTILE.values())
    assert code == 0
    assert_no_line_but_the_warning_of_an_unfamiliar_query(err)
    for decision, text in zip(json.loads(out), HOSTILE.values(), strict=True):
        assert decision["score"] == shipped.score([text])[0]
        assert decision["query"].encode("utf-8", "surrogatepass") == text.encode("utf-8", "surrogatepass")


def test_the_command_line_shows_any_text_in_its_table():
    shown = [HOSTILE[name] for name in ("lone surrogates", "binary", "right to left", "nul")]
    code, out, err = command("route", "--threshold", "0.5", "--", *shown)
    assert code == 0
    assert_no_line_but_the_warning_of_an_unfamiliar_query(err)
    assert "score" in out


def test_the_command_line_sends_no_text_to_large():
    code, out, _ = command("route", "--threshold", "0", "--json", "--", *BLANK.values())
    assert code == 0
    assert [decision["reason"] for decision in json.loads(out)] == ["no_text"] * len(BLANK)


@pytest.fixture
def pretrained(tmp_path, monkeypatch) -> Path:
    """A copy of the shipped files in their place."""
    copy = tmp_path / "pretrained"
    shutil.copytree(encoder_folder.SHIPPED, copy)
    monkeypatch.setattr("hybrid_llm.scoring.encoder.SHIPPED", copy)
    monkeypatch.setattr("hybrid_llm.scoring.encoder_folder.SHIPPED", copy)
    monkeypatch.setattr("hybrid_llm.router.folder_reading.SHIPPED_ROUTER", copy / "router")
    return copy


def hashed_files():
    return sorted(
        file.relative_to(encoder_folder.SHIPPED).as_posix()
        for file in encoder_folder.SHIPPED.rglob("*")
        if file.suffix in {".onnx", ".safetensors"} or file.name in {"tokenizer.json", "calibration.json"}
    )


def test_an_unharmed_copy_of_the_shipped_files_scores_alike(shipped, pretrained):
    assert Router.load().score(["What is 2+2?"]).tolist() == shipped.score(["What is 2+2?"]).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("name", hashed_files())
@pytest.mark.parametrize("harm", ["one bit", "cut short", "missing", "empty"])
def test_a_damaged_shipped_file_is_refused_by_name(pretrained, name, harm):
    file = pretrained / name
    content = bytearray(file.read_bytes())
    if harm == "one bit":
        content[len(content) // 2] ^= 1
    elif harm == "cut short":
        del content[-1:]
    elif harm == "empty":
        content.clear()
    file.unlink()
    if harm != "missing":
        file.write_bytes(content)
    with pytest.raises(DamagedFolderError, match=Path(name).name):
        Router.load()


@pytest.mark.parametrize(("first", "second"), [("encoder.onnx", "tokenizer.json")])
def test_swapped_shipped_files_are_refused(pretrained, first, second):
    (pretrained / first).rename(pretrained / "kept")
    (pretrained / second).rename(pretrained / first)
    (pretrained / "kept").rename(pretrained / second)
    with pytest.raises(DamagedFolderError, match="is not the file"):
        Router.load()


def test_another_encoder_with_matching_hashes_is_refused(pretrained):
    info = json.loads((pretrained / "encoder.json").read_text())
    (pretrained / "encoder.json").write_text(json.dumps(info | {"max_tokens": 128}))
    with pytest.raises(HybridLLMError, match="trained on the encoder"):
        Router.load()


def test_the_command_line_tells_a_damaged_installation_in_two_lines(pretrained):
    (pretrained / "encoder.onnx").write_bytes(b"not a network")
    code, out, err = command("route", "--threshold", "0.5", "query")
    assert (code, out) == (1, "")
    assert "force-reinstall" in err
    assert len(err.splitlines()) <= 2
