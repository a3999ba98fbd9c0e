"""Names of models: who serves them, where, and whether that is on a machine of the user's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.collect import AskSettings, ModelName
from hybrid_llm.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_addresses_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OLLAMA_HOST", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("text", "name", "url"),
    [
        ("ollama:qwen3:4b", "qwen3:4b", "http://127.0.0.1:11434"),
        ("openai:gpt-4o", "gpt-4o", "https://api.openai.com/v1"),
        ("openai:real-small@http://127.0.0.1:18082/v1/", "real-small", "http://127.0.0.1:18082/v1"),
        ("openai:org/model@v2@http://10.0.0.7:8000/v1", "org/model@v2", "http://10.0.0.7:8000/v1"),
    ],
)
def test_a_name_says_who_serves_which_model_and_where(text: str, name: str, url: str) -> None:
    model = ModelName.read(text)
    assert (model.name, model.url) == (name, url)


def test_a_kind_without_a_name_is_told_that_the_name_is_missing() -> None:
    with pytest.raises(ConfigError, match="'ollama:' names no model: ollama:NAME"):
        ModelName.read("ollama:")


@pytest.mark.parametrize("text", ["qwen3:4b", "gpt-4o", "", "anthropic:claude", "OpenAI:gpt-4o"])
def test_a_name_without_a_kind_says_what_to_write(text: str) -> None:
    with pytest.raises(ConfigError, match=r"ollama:.*openai:"):
        ModelName.read(text)


@pytest.mark.parametrize("url", ["127.0.0.1:80", "ftp://host/v1", "http://", "http://host:port/v1", "v1", ""])
def test_a_base_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="is no base URL"):
        ModelName.read(f"openai:x@{url}")


def test_a_key_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError, match="no key or password") as caught:
        ModelName.read("openai:x@https://me:sk-secret@host/v1")
    assert "secret" not in str(caught.value)


words = st.text(st.characters(codec="ascii", exclude_characters="@", categories=("L", "N", "P")), min_size=1)


@given(
    st.sampled_from(["ollama", "openai"]), words, st.sampled_from(["", "@http://127.0.0.1:1/v1", "@https://h.example"])
)
def test_a_name_is_read_back_as_it_is_written(kind: str, name: str, at: str) -> None:
    model = ModelName.read(f"{kind}:{name}{at}")
    assert ModelName.read(str(model)) == model


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("gpu.lan:9999", "http://gpu.lan:9999"),
        ("https://ollama.example.com", "https://ollama.example.com:443"),
        ("http://box", "http://box:80"),
    ],
)
def test_ollama_host_is_read_as_ollama_reads_it(host: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert ModelName.read("ollama:m").url == url
    assert ModelName.read("ollama:m@http://other:1").url == "http://other:1"


def test_openai_base_url_is_where_openai_models_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1/")
    model = ModelName.read("openai:m")
    assert model.url == "http://127.0.0.1:8000/v1"
    assert model.local
    assert not model.hosted_by_openai


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("ollama:qwen3:4b", True),
        ("ollama:gpt-oss:120b-cloud", False),
        ("ollama:m@https://ollama.com", False),
        ("openai:m@http://192.168.1.5/v1", True),
        ("openai:m@http://[::1]:80/v1", True),
        ("openai:m@http://vllm:8000/v1", True),
        ("openai:gpt-4o", False),
        ("openai:m@http://8.8.8.8/v1", False),
    ],
)
def test_a_model_is_local_on_this_machine_and_in_a_private_network(text: str, local: bool) -> None:
    assert ModelName.read(text).local is local


@pytest.mark.parametrize("wrong", [{"temperature": -1}, {"temperature": 3}, {"max_tokens": 0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        AskSettings(**wrong)
