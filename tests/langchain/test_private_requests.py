"""Private requests in LangChain: who is private and for how long, what the cache and a tracer see, what is refused."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.messages import AIMessage, HumanMessage, messages_from_dict, messages_to_dict
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables.history import RunnableWithMessageHistory
from langgraph.checkpoint.memory import InMemorySaver

from hybrid_llm import private
from hybrid_llm.errors import ConfigError, PrivateError
from hybrid_llm.personal import holds_personal_data
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import RunnableHybrid
from langchain_hybrid._private import texts_in
from langchain_hybrid.testing import FakeChatModel
from tests.covering import covering
from tests.langchain._agents import agent_of, call, fake, get_weather
from tests.langchain._held import message_of
from tests.langchain._to_large import DOWN, HARD, SECRET, both, chain, chat, record
from tests.langchain._ways import Way, every_way
from tests.looks import CHECKER, LEVEL, Said, router_with, trained
from tests.scenarios import EASY

pytestmark = pytest.mark.usefixtures("nothing_is_traced")


@covering(every_way, both, times=2)
async def test_a_private_pair_answers_by_small_alone_and_says_so(made: Any, way: Way) -> None:
    (answer,) = await way(made(private=True), [HARD])
    assert answer.text == "from small"
    assert (record(answer)["reason"], record(answer)["private"]) == ("private", True)


@covering(every_way, both, pytest.mark.parametrize("by", ["config", "keyword", "block", "function"]), times=2)
async def test_one_request_is_private_by_its_caller_or_by_its_text(by: str, made: Any, way: Way) -> None:
    llm = made(private=holds_personal_data)
    inputs = [SECRET if by == "function" else HARD]
    if by == "block":
        with private():
            (answer,) = await way(llm, inputs)
    elif by == "config":
        (answer,) = await way(llm, inputs, {"configurable": {"hybrid_private": True}})
    else:
        (answer,) = await way(llm, inputs, **({"private": True} if by == "keyword" else {}))
    assert answer.text == "from small"
    (after,) = await way(llm, [HARD])
    assert (after.text, record(after)["private"]) == ("from large", False)


BROKEN_CALL = {"name": "pay", "args": SECRET, "id": "1", "error": None, "type": "invalid_tool_call"}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,4111111111111111"}}


@both
@pytest.mark.parametrize(
    "message",
    [
        AIMessage("", invalid_tool_calls=[BROKEN_CALL]),
        AIMessage("Hm.", additional_kwargs={"reasoning_content": SECRET}),
        HumanMessage("Hm.", name="4111 1111 1111 1111"),
        HumanMessage([{"type": "image", "url": "https://example.org/x.png", "title": SECRET}]),
    ],
    ids=["a broken call", "thoughts", "a name", "a title"],
)
def test_the_function_reads_all_that_is_sent_of_a_message(made: Any, message: Any) -> None:
    llm = made(private=holds_personal_data)
    with suppress(PrivateError):  # small reads no pictures
        assert record(llm.invoke([HumanMessage("Hi."), message, HumanMessage(HARD)]))["private"]
    assert llm.large.asked == []
    assert list(texts_in(PICTURE)) == []  # nobody reads the letters that a picture is sent as


@covering(every_way, both, times=2)
async def test_it_sticks_to_every_later_turn(made: Any, way: Way) -> None:
    llm = made()
    with private():
        (answer,) = await way(llm, ["What did I tell you?"])
    stored = messages_from_dict(messages_to_dict([HumanMessage("What did I tell you?"), answer]))
    (later,) = await way(llm, [[*stored, HumanMessage(HARD)]])
    assert (later.text, record(later)["private"]) == ("from small", True)
    between = [*stored, HumanMessage("Again."), AIMessage("Said by another program."), HumanMessage(HARD)]
    assert (await way(llm, [between]))[0].text == "from small"
    judged = made(private=holds_personal_data)
    (seen,) = await way(judged, [[HumanMessage(SECRET), AIMessage("A bank."), HumanMessage(HARD)]])
    assert seen.text == "from small"


def test_a_mark_is_found_in_a_dict_of_a_chain_too() -> None:
    arms = [
        ChatPromptTemplate([("placeholder", "{history}"), ("human", "{question}")]) | FakeChatModel(model=name)
        for name in ("small", "large")
    ]
    hybrid = RunnableHybrid(*arms, FixedScorer(0.1), threshold=0.5, query="question", private=holds_personal_data)
    with private():
        marked = hybrid.invoke({"question": "Hi.", "history": []})
    assert hybrid.invoke({"question": HARD, "history": [marked]}).text == "from small"
    assert hybrid.invoke({"question": HARD, "history": [("human", SECRET)]}).text == "from small"
    assert hybrid.invoke({"question": HARD, "history": []}).text == "from large"


@pytest.mark.filterwarnings("ignore::langchain_core._api.deprecation.LangChainDeprecationWarning")
def test_it_sticks_in_a_message_history() -> None:
    kept: dict[str, InMemoryChatMessageHistory] = {}
    prompt = ChatPromptTemplate([MessagesPlaceholder("history"), ("human", "{question}")])
    talk = RunnableWithMessageHistory(
        prompt | chat(),
        lambda session: kept.setdefault(session, InMemoryChatMessageHistory()),
        input_messages_key="question",
        history_messages_key="history",
    )
    one = {"configurable": {"session_id": "one"}}
    talk.invoke({"question": HARD}, {"configurable": {**one["configurable"], "hybrid_private": True}})
    assert talk.invoke({"question": HARD}, one).text == "from small"
    assert talk.invoke({"question": HARD}, {"configurable": {"session_id": "other"}}).text == "from large"


@pytest.mark.parametrize("summarised", [False, True])
@pytest.mark.parametrize("verb", ["invoke", "ainvoke"])
async def test_it_sticks_in_a_checkpoint_even_where_the_messages_are_gone(verb: str, summarised: bool) -> None:
    from langchain_core.messages import RemoveMessage
    from langgraph.graph.message import REMOVE_ALL_MESSAGES

    arms = fake("small"), fake("large")
    agent = agent_of(*arms, FixedScorer(0.1), agent={"checkpointer": InMemorySaver()})

    async def ask(thread: str, *messages: Any, **configurable: Any) -> str:
        config = {"configurable": {"thread_id": thread, **configurable}}
        state = {"messages": [*messages]}
        done = await agent.ainvoke(state, config) if verb == "ainvoke" else agent.invoke(state, config)
        return done["messages"][-1].text

    assert await ask("one", HumanMessage("Hi."), hybrid_private=True) == "from small"
    before = [RemoveMessage(REMOVE_ALL_MESSAGES), HumanMessage("A summary.")] if summarised else []
    assert await ask("one", *before, HumanMessage(HARD)) == "from small"
    assert await ask("other", HumanMessage(HARD)) == "from large"


@pytest.mark.parametrize("verb", ["invoke", "ainvoke"])
async def test_an_agents_tool_keeps_the_block_and_its_context_may_say_so(verb: str) -> None:
    inner = chat()

    def look_up(city: str) -> str:
        """Look up a city."""
        return inner.invoke(HARD).text

    async def alook_up(city: str) -> str:
        """Look up a city."""
        return (await inner.ainvoke(HARD)).text

    tool = look_up if verb == "invoke" else alook_up
    small = fake("small", replies=[call(tool.__name__, city="Lima")])
    agent = agent_of(small, fake("large"), FixedScorer(0.1), tools=[tool])
    state = {"messages": [HumanMessage(HARD)]}
    with private():
        done = await agent.ainvoke(state) if verb == "ainvoke" else agent.invoke(state)
    assert [message.text for message in done["messages"][2:]] == ["from small", "from small"]
    assert done["hybrid"]["private"]
    assert agent.invoke(state, context={"private": True})["messages"][-1].text == "from small"


def test_a_tools_result_makes_the_rest_of_a_run_private() -> None:
    small, large = fake("small"), fake("large", replies=[call(city="Lima")])

    def get_card(city: str) -> str:
        """Return a card."""
        return SECRET

    large.replies = [call("get_card", city="Lima")]
    agent = agent_of(small, large, FixedScorer(0.1), tools=[get_card], private=holds_personal_data)
    done = agent.invoke({"messages": [HumanMessage(HARD)]})
    assert done["messages"][-1].text == "from small"
    assert len(large.asked) == 1


def test_no_fallback_middleware_answers_in_the_place_of_small() -> None:
    from langchain.agents.middleware import ModelFallbackMiddleware

    large = fake("large")
    agent = agent_of(
        fake("small", error=DOWN),
        large,
        FixedScorer(0.1),
        private=True,
        agent={"after": [ModelFallbackMiddleware(large)]},
    )
    with pytest.raises(PrivateError, match="small is down"):
        agent.invoke({"messages": [HumanMessage(SECRET)]})
    assert large.asked == []


@pytest.mark.parametrize("verb", ["invoke", "ainvoke"])
async def test_no_fallback_middleware_answers_in_the_place_of_a_checker(verb: str) -> None:
    from langchain.agents.middleware import ModelFallbackMiddleware

    hosted, checker = fake("hosted"), fake(CHECKER, error=DOWN)
    agent = agent_of(
        fake("small", replies=[message_of(Said())]),
        fake("large"),
        router_with(trained(checker=True)),
        tools=[],
        agent={"after": [ModelFallbackMiddleware(hosted)]},
        **{"threshold": None, "second_look": True, "checker": checker, "private": True, **LEVEL},
    )
    asked: Any = {"messages": [HumanMessage(EASY)]}
    state = agent.invoke(asked) if verb == "invoke" else await agent.ainvoke(asked)
    assert state["messages"][-1].text == "Lima."
    assert (len(checker.asked), hosted.asked) == (1, [])


# --- what is refused -----------------------------------------------------------------------------------------------


@covering(every_way, both, times=2)
async def test_small_down_is_an_error_and_large_never_hears_of_it(made: Any, way: Way) -> None:
    llm = made(private=True, fallback_to_small=True)
    llm.small.error = DOWN
    with pytest.raises(PrivateError, match="small is down") as caught:
        await way(llm, [SECRET])
    assert llm.large.asked == []
    assert "4111" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"


@covering(every_way, both, times=2)
async def test_large_by_force_is_refused(made: Any, way: Way) -> None:
    llm = made(private=True)
    with pytest.raises(PrivateError, match="route='large'"):
        await way(llm, [HARD], route="large")
    llm.force = "large"
    with pytest.raises(PrivateError, match="force='large'"):
        await way(llm, [HARD])
    assert llm.large.asked == llm.small.asked == []


def test_what_small_cannot_serve_is_refused() -> None:
    picture = HumanMessage([{"type": "image", "url": "https://host/cat.png"}, {"type": "text", "text": "What is it?"}])
    llm = chat(private=True)
    with pytest.raises(PrivateError, match=r"\(modality\)"):
        llm.invoke([picture])
    with pytest.raises(PrivateError, match=r"\(tools\)"):
        llm.bind_tools([get_weather], tool_choice="any").invoke(HARD)
    assert llm.large.asked == []


def test_structured_output_is_answered_by_small_too() -> None:
    schema = {"title": "Bank", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    llm = chat(private=True)
    assert (
        llm.with_structured_output(schema, include_raw=True)
        .invoke("'Lima'")["raw"]
        .response_metadata["hybrid"]["private"]
    )
    assert llm.large.asked == []


@pytest.mark.parametrize("wrong", ["yes", 1, {}])
def test_private_is_said_by_true_or_false(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="hybrid_private= is True or False"):
        chat().invoke(HARD, {"configurable": {"hybrid_private": wrong}})
    with pytest.raises(ConfigError, match="private="):
        chat().invoke(HARD, private=wrong)
    with pytest.raises(ConfigError, match="private="):
        chat(private=wrong)


@pytest.mark.parametrize("made", [chat, chain])
def test_options_that_make_no_sense_are_errors_at_once(made: Any) -> None:
    for options in ({"rules": ["x"]}, {"stay": "forever"}, {"local_hosts": "gpu.lan"}):
        with pytest.raises(ConfigError, match=r"rules|stay|local_hosts"):
            made(**options)


async def test_tasks_that_are_started_inside_are_private() -> None:
    llm = chat()
    with private():
        tasks = [asyncio.create_task(llm.ainvoke(HARD)) for _ in range(2)]
    assert [answer.text for answer in await asyncio.gather(*tasks)] == ["from small"] * 2
