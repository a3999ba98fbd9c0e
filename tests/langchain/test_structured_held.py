"""Structured output that is held back: what does not parse on small is answered by large, whole and in streams."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.runnables import ConfigurableField, Runnable, RunnablePassthrough
from pydantic import BaseModel, ValidationError, field_validator

from langchain_hybrid.testing import FakeChatModel
from tests.covering import covering
from tests.langchain._held import held_pair
from tests.langchain._ways import Way, by_ainvoke, by_invoke, every_way
from tests.looks import LookScenario
from tests.scenarios import EASY

KEPT = LookScenario("", form=False, options=(("check", lambda query, text: "Quito" not in text),))


class Place(BaseModel):
    """A place."""

    city: str

    @field_validator("city")
    @classmethod
    def begins_as_names_do(cls, city: str) -> str:
        if city[:1].islower():
            raise ValueError("a name begins with a capital letter")
        return city


class Writes(FakeChatModel):
    """A model that follows a schema by writing JSON, as those of Ollama do."""

    def with_structured_output(self, schema: Any, *, include_raw: bool = False, **kwargs: Any) -> Runnable[Any, Any]:
        parser: Any = PydanticOutputParser(pydantic_object=schema) if isinstance(schema, type) else JsonOutputParser()
        if not include_raw:
            return self | parser
        parsing = RunnablePassthrough.assign(parsed=(lambda x: x["raw"]) | parser, parsing_error=lambda _: None)
        failed = RunnablePassthrough.assign(parsed=lambda _: None)
        return {"raw": self} | parsing.with_fallbacks([failed], exception_key="parsing_error")  # type: ignore[operator]


def small_that_writes(text: str) -> Writes:
    return Writes(model="small", says=text)


def small_that_calls(arguments: dict[str, Any]) -> FakeChatModel:
    call = {"name": "Place", "args": arguments, "id": "1"}
    return FakeChatModel(model="small", calls_tools=False, says=lambda _: AIMessage("", tool_calls=[call]))


def pair_of(small: FakeChatModel) -> Any:
    pair = held_pair(KEPT, small=small)
    pair.large.calls_tools, pair.large.says = True, "Cusco"
    return pair


SMALLS = [
    ("Lima", "small", small_that_writes(json.dumps({"city": "Lima"}))),
    ("Cusco", "large", small_that_writes("I would say Lima.")),
    ("Cusco", "large", small_that_writes(json.dumps({"town": "Lima"}))),
    ("Cusco", "large", small_that_writes(json.dumps({"city": "lima"}))),
    ("Cusco", "large", small_that_writes(json.dumps({"city": "Quito"}))),
    ("Lima", "small", small_that_calls({"city": "Lima"})),
    ("Cusco", "large", small_that_calls({"town": "Lima"})),
    ("Cusco", "large", small_that_calls({"city": "lima"})),
]
IDS = ["fits", "no JSON", "another schema", "a validator", "the check", "a call", "another call", "a validator's call"]


@covering(every_way, pytest.mark.parametrize(("city", "route", "small"), SMALLS, ids=IDS), times=2)
async def test_what_does_not_parse_on_small_is_answered_by_large(way: Way, city: str, route: str, small: Any) -> None:
    del route
    structured = pair_of(small.model_copy()).with_structured_output(Place)
    (place,) = await way(structured, [EASY])
    assert place.city == city


@covering(
    pytest.mark.parametrize("way", [by_invoke, by_ainvoke]),
    pytest.mark.parametrize(("city", "route", "small"), SMALLS, ids=IDS),
    times=2,
)
async def test_the_raw_message_says_why(way: Way, city: str, route: str, small: Any) -> None:
    structured = pair_of(small.model_copy()).with_structured_output(Place, include_raw=True)
    (answer,) = await way(structured, [EASY])
    record = answer["raw"].response_metadata["hybrid"]
    assert (record["route"], record["reason"]) == (route, "kept" if route == "small" else "rejected")
    assert (answer["parsed"].city, answer["parsing_error"]) == (city, None)
    assert [one["kept"] for one in record["attempts"]] == ([True] if route == "small" else [False, True])


async def test_partial_objects_are_held() -> None:
    text = json.dumps({"city": "Lima", "names": ["Lima", "Ciudad de los Reyes"]})
    schema = {"title": "Place", "type": "object", "properties": {"city": {"type": "string"}}}
    structured = pair_of(small_that_writes(text)).with_structured_output(schema)
    assert list(structured.stream(EASY)) == [json.loads(text)]
    assert [part async for part in structured.astream(EASY)] == [json.loads(text)]


@every_way
async def test_a_private_answer_that_does_not_parse_is_the_parsers_error_as_without_a_check(way: Way) -> None:
    pair = pair_of(small_that_calls({"town": "Lima"}))
    with pytest.raises(ValidationError, match="city"):
        await way(pair.model_copy(update={"private": True}).with_structured_output(Place), [EASY])
    assert pair.large.asked == []


def test_a_copy_with_a_configured_field_has_all_else_of_its_pair() -> None:
    pair = pair_of(small_that_calls({"town": "Lima"}))
    structured = pair.with_structured_output(Place).configurable_fields(threshold=ConfigurableField(id="dial"))
    copy = structured.with_config(configurable={"dial": 0.4})
    assert copy.invoke(EASY).city == "Cusco"
    assert len(pair.small.asked) == 1
    pair.force = "large"
    assert copy.invoke(EASY).city == "Cusco"
    assert len(pair.small.asked) == 1
