"""The public fakes do what they promise to other people's tests."""

import numpy as np
import pytest

from hybrid_llm import Decision, Scorer
from hybrid_llm.testing import FailingScorer, FakeArms, FixedScorer, arguments_for

SMALL, LARGE = Decision("small"), Decision("large")


def test_a_fixed_scorer_scores_as_told_and_remembers_each_pass():
    scorer = FixedScorer({"a": 0.9}, default=0.1)
    assert scorer.score(["a", "b"]).tolist() == [0.9, 0.1]
    assert scorer.score([]).shape == (0,)
    assert scorer.calls == [["a", "b"], []]


def test_one_number_is_the_score_of_everything():
    assert FixedScorer(0.3).score(["a", "b"]).tolist() == [0.3, 0.3]
    assert FixedScorer(0.3).score(["a"]).dtype == np.float64


def test_a_failing_scorer_fails_as_told():
    with pytest.raises(TimeoutError):
        FailingScorer(TimeoutError()).score(["a"])


def test_both_are_scorers():
    assert isinstance(FixedScorer(), Scorer)
    assert isinstance(FailingScorer(), Scorer)


async def test_fake_arms_say_the_same_by_each_verb_and_remember_who_was_asked():
    arms = FakeArms(large=["a ", "", "b"])
    assert (arms.call(SMALL), await arms.acall(LARGE)) == ("from small", "a b")
    assert list(arms.stream(LARGE)) == [chunk async for chunk in arms.astream(LARGE)] == ["a ", "", "b"]
    assert arms.asked == ["small", "large", "large", "large"]


async def test_fake_arms_break_where_they_are_told_to():
    arms = FakeArms(small=["a", ConnectionResetError("gone"), "never said"])
    chunks, achunks = arms.stream(SMALL), arms.astream(SMALL)
    assert (next(chunks), await anext(achunks)) == ("a", "a")
    with pytest.raises(ConnectionResetError, match="gone"):
        next(chunks)
    with pytest.raises(ConnectionResetError, match="gone"):
        await anext(achunks)
    with pytest.raises(ConnectionResetError, match="gone"):
        arms.call(SMALL)
    with pytest.raises(ConnectionResetError, match="gone"):
        await arms.acall(SMALL)
    assert arms.asked == ["small"] * 4


def test_a_stream_of_a_fake_arm_that_nobody_reads_was_not_asked():
    arms = FakeArms()
    stream = arms.stream(SMALL)
    assert arms.asked == []
    next(stream)
    assert arms.asked == ["small"]


def test_made_up_arguments_follow_the_schema_and_use_the_words_of_the_query():
    schema = {
        "$defs": {"Day": {"type": "object", "properties": {"hour": {"type": "integer"}}, "required": ["hour"]}},
        "properties": {
            "city": {"type": "string"},
            "day": {"$ref": "#/$defs/Day"},
            "unit": {"enum": ["C", "F"]},
            "share": {"type": "number"},
            "exact": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "more": {"type": "array", "items": {"type": "string"}},
            "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "kind": {"const": "weather"},
            "nothing": {"type": "null"},
            "optional": {"type": "string"},
        },
    }
    schema["required"] = [name for name in schema["properties"] if name != "optional"]
    assert arguments_for(schema, "In 'Lima' at 7, with 2 digits?", default="?") == {
        "city": "Lima",
        "day": {"hour": 7},
        "unit": "C",
        "share": 2.0,
        "exact": True,
        "tags": ["?"],
        "more": [],
        "maybe": 1,
        "kind": "weather",
        "nothing": None,
    }
    assert arguments_for({}) == {}
