"""Files of prompts as people have them: chats, exports of other tools, and the same prompt many times."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hybrid_llm.errors import TableError
from hybrid_llm.table import parse_map, prompts_of_files

Save = Callable[[str, str | bytes], Path]
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "My cat is called Tom."},
    {"role": "assistant", "content": "A fine name."},
    {"role": "user", "content": "What is my cat called?"},
]


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def of_chat_template(messages: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The same chat as LangChain stores it."""
    names = {"system": "SystemMessage", "user": "HumanMessage", "assistant": "AIMessage"}
    kinds = {"system": "system", "user": "human", "assistant": "ai"}
    return [
        {
            "lc": 1,
            "type": "constructor",
            "id": ["langchain", "schema", "messages", names[message["role"]]],
            "kwargs": {"content": message["content"], "type": kinds[message["role"]]},
        }
        for message in messages
    ]


def test_equal_prompts_are_kept_once_and_counted_over_all_files(save: Save) -> None:
    first = save("a.txt", "Why?\nWho?\nWhy?\n")
    second = save("b.jsonl", lines({"query": "Why?", "reference": "So."}, {"query": "Why?", "reference": "Thus."}))
    why, who = prompts_of_files(first, second)
    assert (why.query, why.times, why.references) == ("Why?", 4, ("So.", "Thus."))
    assert (who.query, who.times, who.references) == ("Who?", 1, ())


def test_two_chats_with_the_same_last_question_are_two_prompts(save: Save) -> None:
    other = [{"role": "user", "content": "My cat is called Max."}, *CHAT[2:]]
    found = prompts_of_files(save("a.jsonl", lines({"messages": CHAT}, {"messages": other}, {"messages": CHAT})))
    assert [(prompt.query, prompt.times) for prompt in found] == [(CHAT[3]["content"], 2), (CHAT[3]["content"], 1)]


@pytest.mark.parametrize(
    "chat",
    [
        CHAT,
        [*CHAT, {"role": "assistant", "content": "Tom."}],
        of_chat_template(CHAT),
        [{"type": {"user": "human", "assistant": "ai"}.get(m["role"], m["role"]), "data": m} for m in CHAT],
        [
            {"from": {"user": "human", "assistant": "gpt"}.get(m["role"], m["role"]), "value": m["content"]}
            for m in CHAT
        ],
    ],
)
def test_models_are_sent_the_whole_chat_up_to_the_users_last_message(save: Save, chat: Any) -> None:
    (prompt,) = prompts_of_files(save("chats.jsonl", lines({"messages": chat})))
    assert prompt.query == "What is my cat called?"
    assert list(prompt.messages) == CHAT


def test_a_plain_prompt_is_sent_as_one_message_of_the_user(save: Save) -> None:
    (prompt,) = prompts_of_files(save("prompts.txt", "Why?\n"))
    assert prompt.messages == ({"role": "user", "content": "Why?"},)


def test_calls_of_tools_stay_in_the_chat(save: Save) -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}]
    chat = [
        {"role": "user", "content": "What time is it?"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "content": "noon", "tool_call_id": "1"},
        {"role": "user", "content": "In words?"},
    ]
    (prompt,) = prompts_of_files(save("chats.jsonl", lines({"messages": chat})))
    assert list(prompt.messages) == chat


LANGSMITH = [
    {
        "id": "6f1c",
        "dataset_id": "88aa",
        "inputs": {"question": "What is the capital of Peru?"},
        "outputs": {"answer": "Lima"},
        "metadata": {"dataset_split": ["base"]},
    },
    {"id": "6f1d", "dataset_id": "88aa", "inputs": {"question": "2+2?"}, "outputs": {"answer": 4}, "metadata": None},
]


def test_an_export_of_langsmith_is_read_by_a_map(save: Save) -> None:
    paths = parse_map("query=inputs.question,reference=outputs.answer")
    for content in (lines(*LANGSMITH), json.dumps(LANGSMITH, indent=1)):
        peru, sum_ = prompts_of_files(save("langsmith.json", content), paths=paths)
        assert (peru.query, peru.references, peru.fields["id"]) == ("What is the capital of Peru?", ("Lima",), "6f1c")
        assert (sum_.query, sum_.references) == ("2+2?", ("4",))


def test_traced_chats_of_langsmith_are_read_by_a_map(save: Save) -> None:
    answer = {"role": "assistant", "content": "Tom."}
    row = {"inputs": {"messages": of_chat_template(CHAT)}, "outputs": {"message": answer}}
    for query in ("inputs", "inputs.messages"):
        paths = parse_map(f"query={query},reference=outputs.message")
        (prompt,) = prompts_of_files(save("traces.jsonl", lines(row)), paths=paths)
        assert (list(prompt.messages), prompt.references) == (CHAT, ("Tom.",))


def test_an_export_of_langfuse_is_read_by_a_map_json_or_csv(save: Save) -> None:
    items = [
        {
            "id": "i1",
            "input": {"text": "Say hello, in Spanish."},
            "expectedOutput": {"text": "hola"},
            "metadata": {},
            "sourceTraceId": None,
            "status": "ACTIVE",
        }
    ]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, items[0])
    writer.writeheader()
    writer.writerows({k: json.dumps(v) if isinstance(v, dict) else v for k, v in item.items()} for item in items)
    paths = parse_map("query=input.text,reference=expectedOutput.text")
    for path in (save("items.json", json.dumps(items)), save("items.csv", text.getvalue())):
        (prompt,) = prompts_of_files(path, paths=paths)
        assert (prompt.query, prompt.references) == ("Say hello, in Spanish.", ("hola",))


def test_both_formats_of_openai_evals_are_read_by_a_map(save: Save) -> None:
    hosted = {"item": {"ticket": "My printer is on fire.", "label": "hardware"}, "sample": {}}
    (prompt,) = prompts_of_files(
        save("hosted.jsonl", lines(hosted)), paths=parse_map("query=item.ticket,reference=item.label")
    )
    assert (prompt.query, prompt.references) == ("My printer is on fire.", ("hardware",))
    registry = {"input": CHAT, "ideal": ["Tom", "Tom."]}
    (prompt,) = prompts_of_files(save("samples.jsonl", lines(registry)), paths=parse_map("query=input,reference=ideal"))
    assert (list(prompt.messages), prompt.references) == (CHAT, ("Tom", "Tom."))


def test_structs_of_parquet_are_read_by_a_map_and_numbers_are_no_scores(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    rows = [{"inputs": {"question": "2+2?"}, "answer": 4}, {"inputs": {"question": "3+3?"}, "answer": 6}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    paths = parse_map("query=inputs.question,reference=answer")
    first, second = prompts_of_files(tmp_path / "t.parquet", paths=paths)
    assert (first.query, first.references, second.references) == ("2+2?", ("4",), ("6",))


@pytest.mark.parametrize("header", ["question,answer", "Question,Answer", "inputs.question,outputs.answer"])
def test_columns_of_csv_are_named_by_a_map(save: Save, header: str) -> None:
    question, answer = header.lower().split(",")
    path = save("table.csv", f"{header}\nWhy?,42\n")
    (prompt,) = prompts_of_files(path, paths=parse_map(f"query={question},reference={answer}"))
    assert (prompt.query, prompt.references) == ("Why?", ("42",))


@pytest.mark.parametrize("path", ["turns.0.text", "turns.-1.text", "Turns.0.TEXT", "meta.turns.0"])
def test_a_step_of_a_path_is_a_field_or_the_number_of_an_entry(save: Save, path: str) -> None:
    row = {"turns": [{"text": "Why?"}], "meta": '{"turns": ["Why?"]}'}
    (prompt,) = prompts_of_files(save("rows.jsonl", lines(row)), paths={"query": path})
    assert prompt.query == "Why?"


@pytest.mark.parametrize(
    ("content", "given", "message"),
    [
        (lines(LANGSMITH[0]), "query=inputs.query", "line 1: there is no 'inputs.query' for query; the row has id, "),
        (lines(LANGSMITH[0]), "query=inputs.query", "dataset_id, inputs.question, outputs.answer, metadata."),
        (lines(LANGSMITH[0]), "query=inputs.question.text", "there is no 'inputs.question.text' for query"),
        (lines({"a": ["b"]}), "query=a.3", "there is no 'a.3' for query; the row has a"),
        (lines(LANGSMITH[0]), "query=inputs", "field 'query' is {'question': .*}, not text or a list of messages"),
        (
            lines(LANGSMITH[0]),
            None,
            "field 'query' is missing; say which it is, --map query=PATH: id, dataset_id, inputs.",
        ),
        ("topic,answer\na,b\n", "query=q", "line 2: there is no 'q' for query; the row has topic, answer$"),
        ("topic,answer\na,b\n", None, "field 'query' is missing; say which it is, --map query=PATH: topic, answer$"),
        ("", None, "holds no prompt; each prompt is a text"),
        ("\n\n", None, "holds no prompt"),
        (lines({"query": "Why?", "reference": [["a"]]}), None, "field 'reference' is .*; write one accepted text"),
    ],
)
def test_prompts_that_cannot_be_found_are_named_with_what_there_is(
    save: Save, content: str, given: str | None, message: str
) -> None:
    with pytest.raises(TableError, match=message) as caught:
        prompts_of_files(
            save("rows.csv" if "topic" in content else "rows.jsonl", content), paths=parse_map(given) if given else None
        )
    assert "\n" not in str(caught.value)


def test_what_would_break_the_table_of_its_answers_is_said_before_they_are_paid_for(save: Save) -> None:
    with pytest.raises(TableError, match=r"line 1: field 'task' is 7, not text"):
        prompts_of_files(save("rows.jsonl", lines({"query": "Why?", "task": 7})))


def test_answers_of_another_day_do_not_stay_with_the_prompt(save: Save) -> None:
    row = {"query": "Why?", "answers": {"text": ["So."]}, "quality": {"tiny": 1}, "seconds": 3, "topic": "a"}
    (prompt,) = prompts_of_files(save("rows.jsonl", lines(row)))
    assert prompt.fields == {"query": "Why?", "topic": "a"}


@pytest.mark.parametrize("text", ["inputs.question", "query=", "=a", "price=a", "query=a;reference=b,"])
def test_a_map_that_is_none_says_how_to_write_one(text: str) -> None:
    with pytest.raises(TableError, match=r"is no FIELD=PATH; write query=inputs.question,reference=outputs.answer"):
        parse_map(text)
