"""A conversation goes on with another provider's model."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import _convert_message_to_dict

from langchain_hybrid._history import safe_history
from langchain_hybrid.testing import FakeChatModel
from tests.langchain._pair import pair
from tests.langchain._ways import Way, every_way
from tests.scenarios import FAILURES

OLLAMA = FakeChatModel(model="small", provider="ollama")
OPENAI = FakeChatModel(model="large", provider="openai")
LONG_ID = "toolu:" + "x" * 60


def said(provider: str | None = "openai", **fields: Any) -> AIMessage:
    metadata = {"model_provider": provider} if provider else {}
    return AIMessage(**{"content": "4", "response_metadata": metadata, **fields})


def a_loop(call_id: str | None, provider: str = "openai") -> list[BaseMessage]:
    call = {"name": "look_up", "args": {"city": "Lima"}, "id": call_id}
    return [
        SystemMessage("be brief"),
        HumanMessage("Look."),
        said(provider, content="", tool_calls=[call]),
        ToolMessage("Lima", tool_call_id=call_id or ""),
        HumanMessage("And now?"),
    ]


class TestForeignAnswers:
    @pytest.mark.parametrize(
        "blocks",
        [
            [{"type": "reasoning", "id": "rs_1", "summary": []}, {"type": "text", "text": "4", "annotations": []}],
            [{"type": "thinking", "thinking": "hm", "signature": "abc"}, {"type": "text", "text": "4"}],
            [{"type": "redacted_thinking", "data": "xyz"}, {"type": "text", "text": "4"}],
            [{"type": "text", "text": "4"}, {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}],
        ],
    )
    def test_only_the_text_of_their_content_is_kept(self, blocks: list[Any]) -> None:
        talk = [HumanMessage("2+2?"), said("anthropic", content=blocks), HumanMessage("Sure?")]
        safe = safe_history(talk, OLLAMA)
        assert [message.content for message in safe] == ["2+2?", "4", "Sure?"]
        assert talk[1].content == blocks

    def test_the_private_fields_go_and_the_name_stays(self) -> None:
        message = said(
            name="Ada",
            id="msg_1",
            additional_kwargs={"reasoning_content": "hm", "refusal": None},
            usage_metadata={"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
        )
        (safe,) = safe_history([message], OLLAMA)
        assert safe == AIMessage("4", name="Ada")

    def test_a_good_id_of_a_tool_call_stays_and_a_bad_one_is_replaced_in_call_and_result(self) -> None:
        for call_id in ("call_1", "0b7f6a0e-3f1e-4f0f-9d43-0d2f6a3c1b55"):
            talk = a_loop(call_id)
            safe = safe_history(talk, OLLAMA)
            assert (safe[2].tool_calls[0]["id"], safe[3].tool_call_id) == (call_id, call_id)
        for call_id in (LONG_ID, "a b", None):
            safe = safe_history(a_loop(call_id), OLLAMA)
            new = safe[2].tool_calls[0]["id"]
            assert new == safe[3].tool_call_id
            assert new.startswith("call_")
            assert len(new) <= 40
            assert safe == safe_history(a_loop(call_id), OLLAMA)

    def test_calls_without_ids_are_matched_in_order(self) -> None:
        calls = [{"name": "look_up", "args": {"city": city}, "id": None} for city in ("Lima", "Rome")]
        talk = [HumanMessage("?"), said(content="", tool_calls=calls), *(ToolMessage(c, tool_call_id="") for c in "ab")]
        safe = safe_history(talk, OLLAMA)
        assert [message.tool_call_id for message in safe[2:]] == [call["id"] for call in safe[1].tool_calls]
        assert len({call["id"] for call in safe[1].tool_calls}) == 2

    def test_a_call_that_could_not_be_read_keeps_its_place(self) -> None:
        bad = {"name": "look_up", "args": "{", "id": LONG_ID, "error": "no JSON", "type": "invalid_tool_call"}
        safe = safe_history(
            [said(content="", invalid_tool_calls=[bad]), ToolMessage("no", tool_call_id=LONG_ID)], OLLAMA
        )
        assert safe[0].invalid_tool_calls[0]["id"] == safe[1].tool_call_id != LONG_ID


class TestOwnAnswers:
    @pytest.mark.parametrize(
        ("provider", "arm"),
        [
            ("ollama", OLLAMA),
            ("openai", OPENAI),
            ("bedrock_converse", FakeChatModel(model="m", provider="amazon_bedrock")),
            ("google_genai", FakeChatModel(model="m", provider="google_vertexai")),
            ("openai", FakeChatModel(model="m", provider="azure-openai")),
        ],
    )
    def test_those_of_the_same_provider_stay_as_they_are(self, provider: str, arm: FakeChatModel) -> None:
        talk = a_loop(LONG_ID, provider)
        assert safe_history(talk, arm) is talk

    @pytest.mark.parametrize("talk", [[], [HumanMessage("hi")], [HumanMessage("hi"), said(None, tool_calls=[])]])
    def test_a_list_without_foreign_answers_is_returned_itself(self, talk: list[BaseMessage]) -> None:
        assert safe_history(talk, OLLAMA, "small") is talk

    def test_the_recorded_route_settles_what_the_provider_leaves_open(self) -> None:
        unnamed = said(None, additional_kwargs={"own": 1})
        unnamed.response_metadata["hybrid"] = {"route": "small"}
        for route, kept in (("small", True), ("large", False), (None, True)):
            (safe,) = safe_history([unnamed], OLLAMA, route)
            assert (safe is unnamed) == kept
        odd = said("named-oddly", additional_kwargs={"own": 1})
        odd.response_metadata["hybrid"] = {"route": "small"}
        assert safe_history([odd], OLLAMA, "small")[0] is odd

    def test_a_pair_as_an_arm_gets_everything(self) -> None:
        talk = a_loop(LONG_ID)
        assert safe_history(talk, pair(_Scorer(), threshold=0.5)) is talk


class TestRealConverters:
    """What the two integrations make of a history, without a server."""

    def test_ollama_refuses_blocks_of_openai_and_reads_the_safe_history(self) -> None:
        arm = ChatOllama(model="m", base_url="http://127.0.0.1:1")
        blocks = [{"type": "reasoning", "id": "rs_1", "summary": []}, {"type": "text", "text": "4"}]
        talk = [HumanMessage("2+2?"), said(content=blocks), HumanMessage("Sure?")]
        with pytest.raises(ValueError, match="Unsupported message content type"):
            arm._convert_messages_to_ollama_messages(talk)
        converted = arm._convert_messages_to_ollama_messages(safe_history(talk, arm))
        assert [message["content"] for message in converted] == ["2+2?", "4", "Sure?"]

    def test_openai_does_not_get_the_thoughts_of_ollama(self) -> None:
        arm = ChatOpenAI(model="m", api_key="none", base_url="http://127.0.0.1:1")
        talk = a_loop("0b7f6a0e-3f1e-4f0f-9d43-0d2f6a3c1b55", "ollama")
        talk[2].additional_kwargs["reasoning_content"] = "hm"
        converted = [_convert_message_to_dict(message) for message in safe_history(talk, arm)]
        assert converted[2] == {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "type": "function",
                    "id": "0b7f6a0e-3f1e-4f0f-9d43-0d2f6a3c1b55",
                    "function": {"name": "look_up", "arguments": '{"city": "Lima"}'},
                }
            ],
        }
        assert safe_history(talk, ChatOllama(model="m", base_url="http://127.0.0.1:1")) is talk


class _Scorer:
    id = "all"

    def score(self, queries: list[str]) -> list[float]:
        return [0.9 if "easy" in query else 0.1 for query in queries]


class TestInThePair:
    @every_way
    async def test_each_model_gets_a_history_that_it_can_read(self, way: Way) -> None:
        thoughts = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "4"}]
        of_large = said("openai", content=thoughts)
        for query, content in (
            ("an easy one among the questions", "4"),
            ("quite a hard one among the questions", thoughts),
        ):
            hybrid = pair(_Scorer(), threshold=0.5)
            talk = [HumanMessage("2+2?"), of_large, HumanMessage(query)]
            await way(hybrid, [talk])
            (asked,) = hybrid.small.asked + hybrid.large.asked
            assert asked[0][1].content == content
            assert talk[1] is of_large

    @every_way
    async def test_a_fallback_gets_its_own_history(self, way: Way) -> None:
        hybrid = pair(_Scorer(), threshold=0.5, small={"error": FAILURES["refused"]})
        of_small = said("ollama", additional_kwargs={"reasoning_content": "hm"})
        await way(hybrid, [[HumanMessage("2+2?"), of_small, HumanMessage("an easy one among the questions")]])
        assert hybrid.small.asked[0][0][1] is of_small
        assert hybrid.large.asked[0][0][1] == AIMessage("4")
