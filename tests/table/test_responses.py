"""What a row says of the responses of each model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid_llm.errors import TableError
from hybrid_llm.table import QualityTable
from tests.table.conftest import row

ANSWERED = {
    "quality": {"tiny": [0, 1], "big": [1]},
    "responses": {"tiny": ["four", "4"], "big": ["It is 4."]},
    "answers": {"tiny": [None, 4], "big": ["4"]},
    "logprobs": {"tiny": [[-0.5, 0.0], [-0.25]], "big": None},
    "finish": {"tiny": ["length", "stop"]},
    "seconds": {"tiny": [0.5, 1], "big": 2},
    "usage": {"big": [{"input": 12, "output": 5}]},
    "cost_usd": {"big": [0.002]},
    "reference": "4",
}


def test_each_sampled_response_is_held_with_what_is_known_of_it() -> None:
    table = QualityTable.from_rows([row(1, **ANSWERED)])
    first, second = table.responses[0]["tiny"]
    (big,) = table.responses[0]["big"]
    assert (first.text, first.answer, first.finish, first.seconds) == ("four", None, "length", 0.5)
    assert (second.text, second.answer, second.finish, second.seconds) == ("4", "4", "stop", 1.0)
    assert first.logprobs is not None
    assert first.logprobs.tolist() == [-0.5, 0.0]
    assert (big.text, big.seconds, big.input_tokens, big.output_tokens, big.cost_usd) == ("It is 4.", 2, 12, 5, 0.002)
    assert big.logprobs is None
    assert table.references == (("4",),)
    assert table.extras == ({},)


def test_the_rows_of_a_pair_keep_references_and_responses_a_checker_among_them() -> None:
    checked = ANSWERED | {"answers": {"tiny": ["3", "4"], "checker": ["4"]}}
    rows = [row(1, **checked), row(2, quality={"tiny": 1}), row(3)]
    pair = QualityTable.from_rows(rows).pair("tiny", "big").rows([1, 0])
    assert pair.ids == ("q3", "q1")
    assert pair.references == ((), ("4",))
    assert pair.responses[0] == {}
    assert [response.answer for response in pair.responses[1]["checker"]] == ["4"]


def test_log_probabilities_take_four_bytes_a_token_and_cannot_be_changed() -> None:
    table = QualityTable.from_rows([row(1, quality={"tiny": 1}, logprobs={"tiny": np.array([-0.1] * 1000)})])
    logprobs = table.responses[0]["tiny"][0].logprobs
    assert logprobs is not None
    assert logprobs.nbytes == 4000
    with pytest.raises(ValueError, match="read-only"):
        logprobs[0] = 0


@pytest.mark.parametrize(
    ("reference", "accepted"),
    [
        ("4", ("4",)),
        (["4", "four"], ("4", "four")),
        (4, ("4",)),
        (4.0, ("4",)),
        (10**400, (f"1{'0' * 400}",)),
        (0.5, ("0.5",)),
        (True, ("true",)),
        ({"a": [1]}, ('{"a": [1]}',)),
        ([None, "", "4"], ("4",)),
        ([], ()),
        (None, ()),
        (float("nan"), ()),
        ("", ()),
    ],
)
def test_a_reference_is_an_accepted_text_or_a_list_of_them(reference: Any, accepted: tuple[str, ...]) -> None:
    assert QualityTable.from_rows([row(1, reference=reference)]).references == (accepted,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"responses": ["4"]}, r"field 'responses' is \['4'\]; write it as {model: \[...\]}"),
        (
            {"responses": {"tiny": ["4"]}},
            "field 'responses' of model 'tiny' has 1 entries where there are 2 in 'quality'",
        ),
        ({"responses": {"tiny": [7, "4"]}}, "field 'responses' of model 'tiny' has 7, which is not text"),
        ({"responses": {"big": ["\ud800"]}}, "field 'responses' of model 'big' holds half of a surrogate pair"),
        ({"responses": {"tiny": []}}, "field 'responses' of model 'tiny' is an empty list"),
        ({"answers": {"big": [{"a": 1}]}}, "field 'answers' of model 'big' has {'a': 1}, which is no final answer"),
        ({"logprobs": {"big": ["-0.1"]}}, "field 'logprobs' of model 'big' has '-0.1', which is no list of finite"),
        ({"logprobs": {"big": [[-0.1, None]]}}, "which is no list of finite numbers"),
        ({"logprobs": {"big": [[float("-inf")]]}}, "which is no list of finite numbers"),
        ({"logprobs": {"big": [[-(10**400)]]}}, "which is no list of finite numbers"),
        ({"seconds": {"big": 10**400}}, "which is not a number from 0 on"),
        ({"usage": {"big": [{"input": 10**400}]}}, "which is not a whole number from 0 on"),
        ({"logprobs": {"big": [[0.5]]}}, "has 0.5; a log-probability is at most 0"),
        ({"finish": {"big": [True]}}, "field 'finish' of model 'big' has True, which is not text"),
        ({"seconds": {"big": [-1]}}, "field 'seconds' of model 'big' has -1, which is not a number from 0 on"),
        ({"seconds": {"big": ["1"]}}, "has '1', which is not a number from 0 on"),
        ({"cost_usd": {"big": [True]}}, "field 'cost_usd' of model 'big' has True, which is not a number from 0 on"),
        ({"usage": {"big": [3]}}, "field 'usage' of model 'big' has 3; write it as"),
        ({"usage": {"big": [{"input": 1.5}]}}, "has 1.5 tokens, which is not a whole number"),
        ({"reference": [["4"]]}, "field 'reference' is .*; write one accepted text, or a list of them"),
        (
            {"responses": {"checker": ["4"]}, "answers": {"checker": ["4", "5"]}},
            "field 'answers' of model 'checker' has 2 entries where there are 1 in 'responses'",
        ),
        (
            {"quality": ..., "responses": {"big": ["4"]}},
            "field 'quality' is missing; these are answers that nobody has graded; grade them first: hybrid-llm grade",
        ),
    ],
)
def test_a_bad_response_is_named_by_file_line_and_field(
    write: Callable[..., Path], changes: dict[str, Any], message: str
) -> None:
    path = write("routes.jsonl", row(1), row(2, **changes))
    with pytest.raises(TableError, match=rf"routes.jsonl line 2: .*{message}") as caught:
        QualityTable.read(path)
    assert "\n" not in str(caught.value)
    assert len(QualityTable.read(path, skip_bad=True)) == 1


def test_nulls_that_parquet_puts_for_other_models_are_none() -> None:
    table = QualityTable.from_rows([row(1, responses={"tiny": None}, usage={"big": [None]}, seconds=float("nan"))])
    assert table.responses == ({},)


def test_csv_cells_may_hold_what_is_known_of_responses_as_json(save: Callable[[str, str], Path]) -> None:
    cells = 'id,query,quality.tiny,responses,reference\n1,Why?,1,"{""tiny"": [""So.""]}",So\n'
    table = QualityTable.read(save("rows.csv", cells))
    assert (table.responses[0]["tiny"][0].text, table.references) == ("So.", (("So",),))
