from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hybrid_llm.errors import TableError, UnknownNameError
from hybrid_llm.table import QualityTable

Save = Callable[[str, str | bytes], Path]


@pytest.mark.parametrize(
    "content",
    [
        "id,query,tiny,big\n1,Why?,0.5,1\n",
        "id;query;tiny;big\r\n1;Why?;0,5;1\r\n",
        "id\tquery\ttiny\tbig\n1\tWhy?\t.5\t1.0\n",
        "id|query|tiny|big\n1|Why?|5e-1|1\n",
        "sep=;\nid;query;tiny;big\n1;Why?;0,5;1\n",
        "ID, Query ,tiny,big\n1,Why?,0.5,1\n",
        "\n\nid,prompt,tiny,big\n\n1,Why?,0.5,TRUE\n,,,\n",
        'big,"query",tiny,id\r1,"Why?",0.5,1\r',
        "id,query,quality.tiny,quality.big,latency\n1,Why?,0.5,1,730\n",
        'id,query,quality\n1,Why?,"{""tiny"": [0.5], ""big"": 1}"\n',
        'id,query,tiny,big\n1.0,Why?,"[0.5]",true\n',
        ",id,query,tiny,big\n0,1,Why?,0.5,1\n",
        "Unnamed: 0,id,query,tiny,big\n7,1,Why?,0.5,1\n",
    ],
)
def test_columns_of_scores_are_read_however_the_file_is_laid_out(save: Save, content: str) -> None:
    table = QualityTable.read(save("rows.txt", content))
    assert (table.ids, table.queries, table.quality) == (("1",), ("Why?",), ({"tiny": (0.5,), "big": (1.0,)},))


def test_columns_of_text_and_of_known_fields_are_no_models(save: Save) -> None:
    content = "id,query,topic,cost_usd,seconds.tiny,reference,tiny\n1,Why?,sums,0.2,0.9,42,1\n2,Who?,,0.1,0.8,7,0\n"
    table = QualityTable.read(save("rows.csv", content))
    assert table.models == ("tiny",)
    assert table.extras[0] == {"topic": "sums", "cost_usd": "0.2", "seconds.tiny": "0.9"}
    assert table.extras[1] == {"cost_usd": "0.1", "seconds.tiny": "0.8"}
    assert table.references == (("42",), ("7",))


@pytest.mark.parametrize("nothing", ["", " ", "NA", "n/a", "NaN", "null", "None", "#N/A"])
def test_an_empty_cell_is_no_score_whatever_stands_for_it(save: Save, nothing: str) -> None:
    table = QualityTable.read(save("rows.csv", f"id,query,tiny,big\n1,Why?,{nothing},1\n2,Who?,0,1\n"))
    assert table.quality == ({"big": (1.0,)}, {"tiny": (0.0,), "big": (1.0,)})


def test_a_model_whose_first_score_comes_late_is_found(save: Save) -> None:
    lines = [f"{number},Question {number}?,{1 if number > 1500 else ''},1" for number in range(1600)]
    table = QualityTable.read(save("rows.csv", "\n".join(["id,query,tiny,big", *lines])))
    assert table.pair("tiny", "big").dropped == 1501


def test_texts_with_separators_quotes_and_line_ends_are_read(save: Save) -> None:
    content = 'id,query,tiny,big\n1,"Say ""hi"", then\nstop.",1,1\n2,Why?,oops,1\n'
    with pytest.raises(
        TableError, match=r"rows.csv line 4: field 'quality' of model 'tiny' has 'oops', which is not a"
    ):
        QualityTable.read(save("rows.csv", content))
    table = QualityTable.read(save("rows.csv", content), skip_bad=True)
    assert table.queries == ('Say "hi", then\nstop.',)


def test_a_chat_in_a_cell_is_a_chat_and_other_json_is_text(save: Save) -> None:
    chat = [{"role": "user", "content": "Why?"}]
    cells = [json.dumps(value).replace('"', '""') for value in (chat, [{"a": 1}])]
    table = QualityTable.read(save("rows.csv", "query,tiny\n" + "".join(f'"{cell}",1\n' for cell in cells)))
    assert table.queries == ("Why?", '[{"a": 1}]')
    assert table.extras == ({"messages": chat}, {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,question,tiny\n1,Why?,1\n", "line 1: no column is called 'query', only 'id', 'question', 'tiny'; name"),
        ("1,Why?,1\n2,Who?,0\n", "line 1: no column is called 'query', only '1', 'Why?', '1'; name the columns in"),
        ("id,query,tiny,tiny\n1,Why?,1,1\n", "line 1: two columns are called 'tiny'; rename or remove one"),
        ("id,query,tiny\n1,Why, oh why?,1\n", "line 2: 4 cells under 3 columns; put quotes around texts"),
        ("id,query,tiny\n1,Why\noh why?,1\n", "line 2: 2 cells under 3 columns; put quotes around texts"),
        ('id,query,tiny\n1,"Why?,1\n', "line 2: not valid CSV (unexpected end of data); put quotes around texts"),
        ('id,query,tiny\n1,"Why"?,1\n', "line 2: not valid CSV (',' expected after '\"'); put quotes around texts"),
        ("id,query,tiny\n1,Why?,4\n", "line 2: field 'quality' of model 'tiny' has 4.0, outside [0, 1]; rescale"),
        ("id,query,tokens\n1,Why?,90\n", "; if 'tokens' is no model, call the columns that are quality.MODEL"),
        ("id,query,quality.tiny\n1,Why?,good\n", "field 'quality' of model 'tiny' has 'good', which is not a number"),
        ("id,query,tiny\n1,Why?,inf\n", "field 'quality' of model 'tiny' has inf, which is not finite"),
        ("id,query,model,quality\n1,Why?,tiny,0.5\n", "field 'quality' is '0.5'; write it as {model: [score, ...]}"),
        ("id,query\n1,Why?\n", "line 2: field 'quality' is missing; each row needs query and quality"),
        ("id,query,tiny\n1,,1\n", "line 2: field 'query' is missing"),
        ("id,query,tiny\n1,Why?,\n", "line 2: field 'quality' is missing"),
        ("id,query,tiny\n", "is empty; each row needs query and quality"),
        (
            "id,query,tiny\n1," + "x" * 140_000 + ",1\n",
            "field limit (131072)); if no quote is missing, a text is longer than",
        ),
    ],
)
def test_a_csv_that_cannot_be_read_says_how_to_mend_it(save: Save, content: str, message: str) -> None:
    with pytest.raises(TableError) as caught:
        QualityTable.read(save("rows.csv", content))
    assert message in str(caught.value)
    assert "rows.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_rows_are_skipped_and_the_next_is_read(save: Save) -> None:
    content = 'id,query,tiny\n1,a,1\n2,"b"?,1\n3,c,1,1\n4,d,1\n5,"é",1\n'.encode("cp1252")
    table = QualityTable.read(save("rows.csv", content), skip_bad=True)
    assert table.ids == ("1", "4")
    assert [why.partition(": ")[0].rpartition(" ")[2] for why in table.skipped] == ["3", "4", "6"]


def test_a_text_in_the_place_of_a_first_score_is_no_model_and_the_error_names_those_that_are(save: Save) -> None:
    table = QualityTable.read(save("rows.csv", "id,query,tiny,big\n1,Why?,good,1\n"))
    with pytest.raises(UnknownNameError, match=r"no model 'tiny'.*It has: big"):
        table.pair("tiny", "big")
