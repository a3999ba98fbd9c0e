"""The function of private= is given all that would leave: each block, what goes along with it, filled templates."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate, SelectorPromptTemplate

from llamaindex_hybrid._private import texts_in
from tests.llamaindex._arms import hybrid

CODE = "falcon"
WORDS = TextBlock(text="Go on.")
FALCON = TextBlock(text=CODE)


def cited(**more: Any) -> CitationBlock:
    given = {"title": "t", "source": "s", "cited_content": WORDS, "additional_location_info": {}, **more}
    return CitationBlock(**given)


BLOCKS: dict[str, Any] = {
    "what a call of a tool says that is no JSON": ToolCallBlock(tool_name="t", tool_kwargs=f"no json: {CODE}"),
    "the name of a tool": ToolCallBlock(tool_name=CODE, tool_kwargs={}),
    "thoughts": ThinkingBlock(content="x", additional_information={"summary": [CODE]}),
    "the address of a picture": ImageBlock(url=f"https://host/{CODE}"),
    "the title of a file": DocumentBlock(data=b"x", title=CODE),
    "the text of a file": DocumentBlock(data=CODE.encode(), document_mimetype="text/plain"),
    "a title": CitableBlock(title=CODE, source="s", content=[WORDS]),
    "what is cited": cited(cited_content=FALCON),
    "where it is cited from": cited(source=CODE),
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_every_text_of_a_block_is_judged(block: Any) -> None:
    message = ChatMessage(role="assistant", blocks=[WORDS, block])
    assert any(CODE in text for text in texts_in([message]))


def test_what_goes_along_with_a_message_is_judged_but_neither_our_own_notes_nor_ids_nor_pictures() -> None:
    called = {"function_call": {"name": "f", "arguments": CODE}}
    assert CODE in texts_in([ChatMessage("Hi.", role="assistant", additional_kwargs=called)])
    noted = {"hybrid": {"reason": CODE}, "tool_call_id": CODE}
    picture = ImageBlock(url=f"data:image/png;base64,{CODE}")
    message = ChatMessage(
        role="tool", blocks=[WORDS, picture, ImageBlock(image=CODE.encode())], additional_kwargs=noted
    )
    assert not any(CODE in text for text in texts_in([message]))


def test_a_template_is_judged_as_each_model_gets_it_and_no_text_twice() -> None:
    judged: list[str] = []

    def is_ours(text: str) -> bool:
        judged.append(text)
        return CODE in text

    of_chats = ChatPromptTemplate([ChatMessage(f"You know {CODE}.", role="system"), ChatMessage("{query_str}")])
    chooses = SelectorPromptTemplate(
        default_template=PromptTemplate("{query_str}"),
        conditionals=[(lambda llm: llm.metadata.is_chat_model, of_chats)],
    )
    llm = hybrid(private=is_ours)
    assert llm.predict(chooses, query_str="Prove it.") == "from small"
    judged.clear()
    assert llm.predict(PromptTemplate("{query_str}"), query_str="Prove it.") == "from large"
    assert judged == ["Prove it."]
