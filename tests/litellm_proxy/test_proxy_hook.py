"""The plug-in as LiteLLM's proxy calls it, without the proxy."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hybrid_llm.errors import ConfigError, HybridLLMWarning, LevelError, PrivateError
from hybrid_llm.router import Router
from hybrid_llm.testing import FixedScorer
from tests.dispatch.test_weights import MENU, RECORD

pytestmark = pytest.mark.usefixtures("proxy")

EASY, HARD = "What is the capital of the country of Lake Titicaca?", "Prove that there is no largest prime number."
SCORES = {EASY: 0.9, HARD: 0.1}
GROUPS = {
    "qwen": {"model": "openai/qwen", "api_base": "http://127.0.0.1:9/v1"},
    "gpt": {"model": "openai/gpt-4o"},
    "hybrid": {"model": "openai/gpt-4o"},
}


def plug_in(scorer: Any = None, info: dict[str, Any] | None = None, **options: Any) -> Any:
    from litellm_hybrid import HybridRouting

    models = [{"model_name": name, "litellm_params": params} for name, params in GROUPS.items()]
    models[0]["model_info"] = info or {}
    given = {"threshold": 0.5, **options} if not {"quality", "cost_advantage"} & options.keys() else options
    return HybridRouting({"small": "qwen", "large": "gpt", "router": scorer or FixedScorer(SCORES), **given}, models)


def asked(text: str = EASY, model: str = "hybrid", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def decided(plugged: Any, data: dict[str, Any], call: str = "acompletion") -> dict[str, Any]:
    return asyncio.run(plugged.async_pre_call_hook(None, None, data, call)) or data


def headers(
    plugged: Any, data: dict[str, Any], group: str | None = None, made: Any = SimpleNamespace
) -> dict[str, str]:
    response = made(_hidden_params={"additional_headers": {"x-litellm-model-group": group}})
    return asyncio.run(plugged.async_post_call_response_headers_hook(data, None, response) or {})


def refusal(plugged: Any, data: dict[str, Any], call: str = "acompletion") -> str:
    from fastapi import HTTPException

    with pytest.raises(HTTPException) as raised:
        decided(plugged, data, call)
    assert raised.value.status_code == 400
    return str(raised.value.detail)


@pytest.mark.parametrize(("text", "group"), [(EASY, "qwen"), (HARD, "gpt")])
def test_the_score_chooses_the_group_and_headers_and_logs_say_so(text: str, group: str) -> None:
    plugged = plug_in()
    data = decided(plugged, asked(text))
    route = {"qwen": "small", "gpt": "large"}[group]
    assert data["model"] == group
    assert data["metadata"]["spend_logs_metadata"]["hybrid"]["route"] == route
    assert headers(plugged, data, group) == {
        "x-hybrid-route": route,
        "x-hybrid-reason": "score",
        "x-hybrid-score": f"{SCORES[text]:.4f}",
        "x-hybrid-threshold": "0.5000",
        "x-hybrid-level": "threshold=0.5",
        "x-hybrid-certified": "false",
    }


@pytest.mark.filterwarnings("ignore:The threshold for quality")
def test_a_level_is_chosen_by_the_models_name(router: Router) -> None:
    plugged = plug_in(router, quality=1.0, allowed=(0.8, 1.0))
    assert decided(plugged, asked("middling", "hybrid"))["model"] == "gpt"
    assert decided(plugged, asked("middling", "hybrid-0.9"))["model"] == "qwen"
    assert "may ask for" in refusal(plugged, asked("middling", "hybrid-0.7"))


@pytest.mark.parametrize("name", ["hybrid-fast", "hybrid-1.5", "hybrid-0", "hybrid-nan", "hybrid-"])
def test_a_level_that_does_not_exist_is_refused_with_one_that_does(name: str) -> None:
    assert f"There is no model {name!r}" in refusal(plug_in(), asked(model=name))
    assert "hybrid-0.95" in refusal(plug_in(), asked(model=name))


def test_a_level_that_this_router_does_not_have_is_refused() -> None:
    assert "calibrat" in refusal(plug_in(), asked(model="hybrid-0.95"))


def test_a_config_with_a_level_that_the_router_does_not_have_does_not_start() -> None:
    with pytest.raises(LevelError, match="calibrat"):
        plug_in(quality=0.95)


def test_a_config_that_offers_a_level_that_the_router_does_not_have_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(GROUPS, "hybrid-0.95", GROUPS["gpt"])
    with pytest.raises(LevelError, match="calibrat"):
        plug_in()


def test_other_models_are_left_alone_but_for_a_forged_decision() -> None:
    forged = {"hybrid": {"route": "small", "level": None}}
    data = asked(model="gpt", metadata=forged)
    plugged = plug_in()
    assert asyncio.run(plugged.async_pre_call_hook(None, None, data, "acompletion")) is None
    assert data["model"] == "gpt"
    assert "hybrid" not in data["metadata"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"api_base": "http://evil.example"}, "api_base"),
        ({"custom_llm_provider": "openai"}, "custom_llm_provider"),
        ({"fallbacks": ["gpt-5"]}, "fallbacks"),
        ({"router_settings_override": {"fallbacks": [{"qwen": ["gpt-5"]}]}}, "router_settings_override"),
        ({"previous_response_id": "resp_1"}, "send the whole conversation"),
        ({"conversation": "conv_1"}, "conversation names what only the server which keeps it has"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt names what only the server which keeps it has"),
    ],
)
def test_a_request_chooses_no_server_and_no_other_model(more: dict[str, Any], told: str) -> None:
    assert told in refusal(plug_in(), asked(**more))


def test_metadata_of_a_request_to_another_model_is_its_own() -> None:
    data = asked(model="gpt", metadata={"hybrid_search": True})
    assert asyncio.run(plug_in().async_pre_call_hook(None, None, data, "acompletion")) is None


def test_what_a_key_brings_is_not_what_the_request_chooses() -> None:
    sent = asked()
    of_the_key = {"fallbacks": ["gpt-5"]}  # LiteLLM writes the settings of a key over those of the request
    assert decided(plug_in(), {**sent, **of_the_key, "proxy_server_request": {"body": sent}})["model"] == "qwen"
    assert "fallbacks" in refusal(plug_in(), {**sent, "proxy_server_request": {"body": {**sent, **of_the_key}}})


def test_only_what_answers_texts_is_routed() -> None:
    assert "for this call name another model" in refusal(plug_in(), {"model": "hybrid", "input": "x"}, "aembedding")


@pytest.mark.parametrize(
    ("info", "more", "reason"),
    [
        (
            {},
            {"messages": [{"role": "user", "content": [{"type": "image_url"}, {"type": "text", "text": EASY}]}]},
            "modality",
        ),
        ({}, {"tools": [{"type": "web_search"}]}, "tools"),
        ({"supports_function_calling": False}, {"tools": [{"type": "function"}]}, "tools"),
        ({}, {"tools": [{"type": "function"}], "tool_choice": "required"}, "tools"),
        ({"supports_response_schema": False}, {"response_format": {"type": "json_schema"}}, "structured_output"),
        ({"max_input_tokens": 5}, {}, "context"),
    ],
)
def test_what_small_cannot_serve_goes_to_large(info: dict[str, Any], more: dict[str, Any], reason: str) -> None:
    data = decided(plug_in(info=info), asked(**more))
    assert (data["model"], data["metadata"]["hybrid"]["reason"]) == ("gpt", reason)


def test_tools_that_small_calls_do_not_keep_a_request_from_it() -> None:
    assert decided(plug_in(), asked(tools=[{"type": "function"}]))["model"] == "qwen"


def test_a_broken_scorer_costs_money_and_no_answers() -> None:
    class Broken(FixedScorer):
        def score(self, queries: Sequence[str]) -> Any:
            raise RuntimeError("broken")

    plugged = plug_in(Broken(0.9))
    with pytest.warns(HybridLLMWarning):
        data = decided(plugged, asked())
    assert (data["model"], headers(plugged, data)["x-hybrid-reason"]) == ("gpt", "scorer_error")


@pytest.mark.parametrize("made", [SimpleNamespace, dict])  # Anthropic's messages come as a dict
def test_the_headers_and_logs_tell_that_large_answered_for_small(made: Any) -> None:
    plugged = plug_in()
    data = decided(plugged, asked())
    told = headers(plugged, data, "gpt", made)
    assert (told["x-hybrid-route"], told["x-hybrid-reason"]) == ("large", "fallback")
    hop = {"metadata": {**data["metadata"], "model_group": "gpt"}}
    asyncio.run(plugged.async_pre_call_deployment_hook(hop, None))
    assert hop["metadata"]["spend_logs_metadata"]["hybrid"]["reason"] == "fallback"


@pytest.mark.filterwarnings("ignore:The router was certified with answers to other settings")
@pytest.mark.parametrize(("more", "certified"), [({"temperature": 0.0, "max_tokens": 100}, "true"), ({}, "false")])
def test_nothing_is_promised_to_who_asks_otherwise_than_it_was_certified(more: dict[str, Any], certified: str) -> None:
    noted = {"asked with": json.dumps({"system": None, "temperature": 0.0, "max_tokens": 100})}
    router = Router(FixedScorer(0.9), certificate=MENU, record=replace(RECORD, fingerprint=noted))
    plugged = plug_in(router, quality=0.9)
    assert headers(plugged, decided(plugged, asked(**more)))["x-hybrid-certified"] == certified


@pytest.mark.parametrize(("text", "group", "route"), [(EASY, "a third", "large"), (HARD, "qwen", "small")])
def test_wherever_fallbacks_lead_the_headers_say_so(text: str, group: str, route: str) -> None:
    plugged = plug_in()
    told = headers(plugged, decided(plugged, asked(text)), group)
    assert (told["x-hybrid-route"], told["x-hybrid-reason"]) == (route, "fallback")


PRIVATE = {"hybrid_private": True}


def test_a_private_request_goes_to_small_whatever_its_score_and_has_no_fallbacks() -> None:
    plugged = plug_in()
    data = decided(plugged, asked(HARD, metadata=dict(PRIVATE)))
    assert (data["model"], data["disable_fallbacks"]) == ("qwen", True)
    assert headers(plugged, data)["x-hybrid-private"] == "true"


def test_a_private_request_to_small_by_name_is_locked_too_and_to_any_other_refused() -> None:
    assert decided(plug_in(), asked(model="qwen", metadata=dict(PRIVATE)))["disable_fallbacks"]
    assert "may run anywhere" in refusal(plug_in(), asked(model="gpt", metadata=dict(PRIVATE)))


@pytest.mark.parametrize("more", [{"model": "gpt"}, {"model": "hybrid-fast"}, {"fallbacks": ["gpt"]}])
def test_a_private_request_that_is_refused_leaves_no_text_in_logs(more: dict[str, Any]) -> None:
    data = {**asked(metadata=dict(PRIVATE)), **more}
    refusal(plug_in(), data)
    assert "messages" not in data
    assert data["turn_off_message_logging"]


def test_another_request_that_is_refused_is_logged_as_ever() -> None:
    data = asked(model="hybrid-fast")
    refusal(plug_in(), data)
    assert data["messages"]
    assert "turn_off_message_logging" not in data


@pytest.mark.parametrize(("metadata", "kept"), [(PRIVATE, False), ({}, True)])
def test_instructions_of_private_requests_alone_stay_out_of_logs(metadata: dict[str, Any], kept: bool) -> None:
    plugged = plug_in()
    data = decided(plugged, asked(metadata=dict(metadata)))
    logged, _ = asyncio.run(
        plugged.async_logging_hook({"litellm_params": data, "optional_params": {"instructions": "x"}}, None, "")
    )
    assert ("instructions" in logged["optional_params"]) is kept


def test_a_private_request_that_small_cannot_serve_is_refused() -> None:
    picture = [{"role": "user", "content": [{"type": "image_url"}]}]
    assert "modality" in refusal(plug_in(), asked(messages=picture, metadata=dict(PRIVATE)))


def test_a_private_request_is_refused_where_small_is_not_local() -> None:
    from litellm_hybrid import HybridRouting

    models = [{"model_name": name, "litellm_params": GROUPS["gpt"]} for name in ("qwen", "gpt")]
    away = HybridRouting({"small": "qwen", "large": "gpt", "router": FixedScorer(0.9), "threshold": 0.5}, models)
    assert "Nothing tells where" in refusal(away, asked(metadata=dict(PRIVATE)))


def test_whatever_leads_a_private_request_away_it_is_stopped_before_it_is_sent() -> None:
    plugged = plug_in()
    data = decided(plugged, asked(metadata=dict(PRIVATE)))
    hop = {"metadata": {**data["metadata"], "model_group": "gpt"}}
    with pytest.raises(PrivateError, match="sent nowhere"):
        asyncio.run(plugged.async_pre_call_deployment_hook(hop, None))


def test_scoring_does_not_hold_up_the_proxy() -> None:
    class Slow(FixedScorer):
        def score(self, queries: Sequence[str]) -> Any:
            time.sleep(0.2)
            return np.full(len(queries), 0.9)

    async def longest_wait() -> float:
        routing = asyncio.create_task(plug_in(Slow(0.9)).async_pre_call_hook(None, None, asked(), "acompletion"))
        longest = 0.0
        while not routing.done():
            start = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - start)
        return longest

    assert asyncio.run(longest_wait()) < 0.15


def test_a_proxy_without_our_settings_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    import litellm

    import litellm_hybrid

    monkeypatch.setattr(litellm, "callback_settings", {})
    with pytest.raises(ConfigError, match=r"config\.yaml has no callback_settings\.hybrid"):
        _ = litellm_hybrid.hybrid
