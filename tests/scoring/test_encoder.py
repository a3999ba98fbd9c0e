"""The encoder: what a text becomes, whatever it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.errors import EncoderError
from hybrid_llm.scoring import Encoder, QueryTokenizer

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


@pytest.mark.slow
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
