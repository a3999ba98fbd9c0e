"""What a config.yaml may say of the pair, and what it is told when it says something else."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from hybrid_llm.errors import ConfigError, MissingExtraError
from litellm_hybrid._settings import Settings

GROUPS = ["qwen", "gpt", "hybrid"]


def test_two_groups_are_all_that_it_takes() -> None:
    settings = Settings.of({"small": "qwen", "large": "gpt"}, GROUPS)
    assert (settings.name, settings.router, dict(settings.options)) == ("hybrid", None, {})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, "names two groups of model_list"),
        ({"small": "qwen"}, "has no large: it names two groups of model_list"),
        ({"small": "gpt", "large": "gpt"}, "as small and as large"),
        ({"small": "qwn", "large": "gpt"}, "Did you mean 'qwen'"),
        ({"small": "qwen", "large": "gpt", "name": "gpt"}, "what clients ask for"),
        ({"small": "qwen", "large": "gpt", "qualty": 0.9}, "Did you mean 'quality'"),
        ({"small": "qwen", "large": "gpt", "second_look": True}, "none can be looked at; ChatHybrid and HybridLLM can"),
        ({"small": "qwen", "large": "gpt", "fallback_to_large": False}, "write fallbacks: under router_settings"),
        ({"small": "qwen", "large": "gpt", "small_timeout": 5}, "write timeout:"),
        ({"small": "qwen", "large": "gpt", "shadow": "off"}, "shadow is 'off': it is true or false"),
    ],
)
def test_anything_else_is_told_what_to_write(given: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Settings.of(given, GROUPS)


def test_without_litellm_the_plug_in_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import litellm_hybrid

    for name in ("litellm", "litellm.integrations.custom_logger"):  # the second is found alone once it was imported
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "litellm_hybrid.routing", raising=False)
    with pytest.raises(MissingExtraError, match=r"hybrid-llm\[litellm\]"):
        _ = litellm_hybrid.hybrid
