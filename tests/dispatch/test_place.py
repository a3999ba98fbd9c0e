"""Which small arms are local enough for a private request."""

from __future__ import annotations

from typing import Any

import pytest

from hybrid_llm.dispatch import Capabilities, Place, Request, is_loopback
from hybrid_llm.dispatch.place import host_of
from hybrid_llm.errors import ConfigError, PrivateError
from tests.dispatch.pairs import pair_of

OLLAMA = "http://127.0.0.1:11434"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def ask(place: Place | None, **options: Any) -> str:
    pair = pair_of(small=Capabilities(model="qwen3:4b", place=place), private=True, **options)
    return pair.decide(Request("My salary is 4,711.")).decision.route


def shows(answer: Any) -> Any:
    def shown() -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return shown


@pytest.mark.parametrize(
    "url",
    [OLLAMA, "http://localhost:8080/v1", "http://[::1]:8080/v1", "http://0.0.0.0:11434", "HTTP://LocalHost"],
)
def test_this_program_and_a_loopback_address_are_local(url: str) -> None:
    assert ask(Place(url)) == ask(Place()) == "small"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1",
        "http://10.0.0.7:11434",
        "http://localhost.evil.com",
        "http://127.0.0.1@evil.com",
        "x",
    ],
)
def test_another_host_is_refused_and_the_error_says_how_to_name_it(url: str) -> None:
    host = host_of(url)
    with pytest.raises(PrivateError, match="which is not this machine") as caught:
        ask(Place(url))
    assert f"local_hosts=['{host}']" in str(caught.value)
    assert ask(Place(url), local_hosts=[host]) == "small"


@pytest.mark.parametrize("named", ["GPU.lan", "gpu.lan:11434", "*"])
def test_a_host_may_be_named_with_its_port_and_in_any_case(named: str) -> None:
    assert ask(Place("http://gpu.lan:11434"), local_hosts=[named]) == "small"


def test_an_arm_of_which_nothing_is_known_needs_the_callers_word() -> None:
    with pytest.raises(PrivateError, match=r"local_hosts=\['\*'\]"):
        ask(None)
    assert ask(None, local_hosts=["*"]) == "small"


@pytest.mark.parametrize("hosts", ["gpu.lan", [1], ["http://gpu.lan"], [""], None])
def test_hosts_are_a_list_of_names(hosts: Any) -> None:
    with pytest.raises(ConfigError, match="local_hosts="):
        pair_of(local_hosts=hosts)


@pytest.mark.parametrize("hosts", [(), ["*"]])
@pytest.mark.parametrize(
    "said",
    [{"remote_host": "https://ollama.com:443", "remote_model": "gpt-oss"}, {"remote_model": "gpt-oss"}],
)
def test_an_ollama_that_hands_the_model_on_is_refused_whatever_its_address(said: dict[str, str], hosts: Any) -> None:
    with pytest.raises(PrivateError, match=r"cloud model: the Ollama at .* hands its calls on") as caught:
        ask(Place(OLLAMA, shown=shows(said), ollama=True), local_hosts=hosts)
    assert "ollama pull" in str(caught.value)


def test_the_server_is_asked_once() -> None:
    asked: list[int] = []

    def shown() -> dict[str, Any]:
        asked.append(1)
        return {"remote_host": ""}

    pair = pair_of(small=Capabilities(place=Place(OLLAMA, shown=shown, ollama=True)))
    pair.decide(Request("2+2?"))
    assert asked == []
    for _ in range(3):
        pair.decide(Request("2+2?", private=True))
    assert asked == [1]


def test_an_ollama_that_does_not_answer_is_down_and_asked_again() -> None:
    answers: list[Any] = [ConnectionRefusedError("refused"), {}]

    def shown() -> Any:
        return shows(answers.pop(0))()

    pair = pair_of(small=Capabilities(model="qwen3:4b", place=Place(OLLAMA, shown=shown, ollama=True)), private=True)
    with pytest.raises(PrivateError, match="small is down: model 'qwen3:4b' cannot be reached") as caught:
        pair.decide(Request("2+2?"))
    assert caught.value.__context__ is None
    assert pair.decide(Request("2+2?")).decision.private


def test_a_server_that_is_no_ollama_need_not_know_the_question() -> None:
    assert ask(Place("http://127.0.0.1:8080/v1", shown=shows(ValueError("404")))) == "small"
    with pytest.raises(PrivateError, match="cloud model"):  # Ollama's, asked in OpenAI's way
        ask(Place("http://127.0.0.1:11434/v1", shown=shows({"remote_host": "https://ollama.com"})))


def test_a_proxy_between_reads_along_and_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example.com:3128")
    with pytest.raises(PrivateError, match="A proxy at proxy") as caught:
        ask(Place(OLLAMA))
    assert "NO_PROXY=127.0.0.1" in str(caught.value)
    assert ask(Place(OLLAMA), local_hosts=["proxy.example.com"]) == "small"
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    assert ask(Place(OLLAMA)) == "small"
    with pytest.raises(PrivateError, match="A proxy"):
        ask(Place(OLLAMA, proxy="http://proxy.example.com:3128"))


@pytest.mark.parametrize(("host", "here"), [("127.9.9.9", True), ("::", True), ("", False), ("1.2.3.4", False)])
def test_loopback_is_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) is here
