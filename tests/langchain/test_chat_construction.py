"""ChatHybrid: what it is made of, wrong input, and copies."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel, FakeListLLM
from langchain_core.runnables import ConfigurableField
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

from hybrid_llm import HybridLLMWarning, Router
from hybrid_llm.errors import ConfigError, LevelError, RouterFolderError
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.langchain._pair import EVERYTHING, pair
from tests.scenarios import FAILURES

NOWHERE = "http://127.0.0.1:1"
ARM = FakeListChatModel(responses=["4"])

pytestmark = pytest.mark.filterwarnings("ignore:The threshold for quality:hybrid_llm.errors.HybridLLMWarning")


class TestWrongInput:
    @pytest.mark.parametrize(
        ("arms", "message"),
        [
            (("qwen3:4b", ARM), r"small='qwen3:4b' is a name; pass the model itself, such as ChatOllama"),
            ((ARM, "gpt"), r"large='gpt' is a name"),
            ((None, ARM), r"small= takes a chat model; got NoneType"),
            ((ARM, FakeListLLM(responses=["4"])), r"large= takes a chat model; got FakeListLLM"),
            ((ARM.bind(stop=["x"]), ARM), r"small= has something bound to it already.*\.bind_tools\(tools\)"),
            ((ARM, ARM.with_config(tags=["x"])), r"large= has something bound"),
            ((ARM.with_fallbacks([ARM]), ARM), r"got RunnableWithFallbacks. \(RunnableHybrid takes any runnable"),
            ((ARM | str, ARM), r"got RunnableSequence"),
        ],
    )
    def test_an_arm_that_is_no_chat_model_is_an_error_that_says_what_to_do(
        self, arms: Any, message: str, router: Router
    ) -> None:
        with pytest.raises(TypeError, match=message):
            ChatHybrid(*arms, router, threshold=0.5)

    def test_a_missing_arm_or_router_is_an_error(self) -> None:
        with pytest.raises(TypeError, match="large"):
            ChatHybrid(small=ARM, router=FixedScorer())  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="router"):
            ChatHybrid(ARM, ARM)  # type: ignore[call-arg]

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"quality": 0.9, "threshold": 0.5}, LevelError, "together"),
            ({"quality": 1.5}, LevelError, "out of range"),
            ({"threshold": "high"}, LevelError, "out of range"),
            ({"quality": True}, LevelError, "out of range"),
            ({"threshold": 0.5, "allowed": (0.1,)}, LevelError, "two numbers"),
            ({"small_timeout": 0}, ConfigError, "small_timeout=0"),
            ({"query": "question"}, ConfigError, "a chat model's input has no keys"),
            ({"qualty": 0.9}, TypeError, "takes no qualty="),
        ],
    )
    def test_an_option_that_makes_no_sense_is_an_error(
        self, options: dict[str, Any], error: type[Exception], message: str, router: Router
    ) -> None:
        with pytest.raises(error, match=message):
            ChatHybrid(ARM, ARM, router, **options)

    def test_a_level_without_a_calibration_is_an_error_at_once(self) -> None:
        with pytest.raises(LevelError, match="calibrate"):
            ChatHybrid(ARM, ARM, FixedScorer(), quality=0.9)

    def test_a_router_that_is_none_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(TypeError, match="router= takes"):
            ChatHybrid(ARM, ARM, object(), threshold=0.5)
        with pytest.raises(RouterFolderError):
            ChatHybrid(ARM, ARM, tmp_path, threshold=0.5)

    def test_a_router_of_another_pair_says_so(self, router: Router) -> None:
        with pytest.warns(HybridLLMWarning, match=r"small -> large, 10 rows"):
            pair(router, quality=0.9)

    def test_the_settings_of_a_model_are_left_to_the_arms_with_a_warning(self, router: Router) -> None:
        with pytest.warns(HybridLLMWarning, match=r"max_tokens=, temperature= is for a model to know") as caught:
            hybrid = pair(router, threshold=0.5, temperature=0, max_tokens=9)
        assert hybrid.invoke("easy").text == "from small"
        assert caught[0].filename.endswith("_pair.py")

    @pytest.mark.parametrize("value", [7, None, {"question": "2+2?"}])
    def test_an_input_of_no_known_shape_is_langchains_own_error(self, value: Any, router: Router) -> None:
        with pytest.raises(ValueError, match="Invalid input type"):
            pair(router, threshold=0.5).invoke(value)


class TestProfile:
    def test_it_is_what_both_can_do(self, router: Router) -> None:
        small = {"max_input_tokens": 8_000, "tool_calling": True, "image_inputs": False, "max_output_tokens": 900}
        hybrid = pair(router, threshold=0.5, small={"profile": small}, large={"profile": EVERYTHING})
        assert hybrid.profile == {"max_input_tokens": 8_000, "tool_calling": True, "image_inputs": False}

    def test_it_is_unknown_when_one_is_unknown_and_may_be_given(self, router: Router) -> None:
        assert pair(router, threshold=0.5, large={"profile": EVERYTHING}).profile is None
        assert pair(router, threshold=0.5, profile=EVERYTHING).profile == EVERYTHING

    def test_the_content_of_answers_has_the_form_that_both_arms_ask_for(self, router: Router) -> None:
        both = {"output_version": "v1"}
        answer = pair(router, threshold=0.5, small=both, large=both).invoke("easy")
        assert answer.content == [{"type": "text", "text": "from small"}]
        assert pair(router, threshold=0.5, small=both).invoke("easy").content == "from small"


class TestCopies:
    def test_a_field_may_be_configured_without_reloading_the_router_or_losing_the_breakers(
        self, router: Router, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hybrid = pair(router, threshold=2, small={"error": FAILURES["refused"]})
        monkeypatch.setattr(Router, "load", lambda *_: pytest.fail("the router was loaded again"))
        step = hybrid.configurable_fields(threshold=ConfigurableField(id="dial"))
        config: Any = {"configurable": {"dial": 0.5}}
        reasons = [step.invoke("easy", config).response_metadata["hybrid"]["reason"] for _ in range(4)]
        assert reasons == ["fallback"] * 3 + ["cooldown"]
        assert step.invoke("easy").response_metadata["hybrid"]["threshold"] == 2
        assert hybrid.state.breakers["small"].open

    def test_another_model_may_be_an_alternative(self, router: Router) -> None:
        step = pair(router, threshold=0.5).configurable_alternatives(
            ConfigurableField(id="model"), default_key="pair", alone=FakeChatModel(model="alone")
        )
        assert step.invoke("easy").text == "from small"
        assert step.with_config(configurable={"model": "alone"}).invoke("easy").text == "from alone"

    def test_a_changed_field_counts_at_once(self, router: Router) -> None:
        hybrid = pair(router, threshold=0.5)
        strict = hybrid.model_copy(update={"threshold": 2.0})
        assert [hybrid.invoke("easy").text, strict.invoke("easy").text] == ["from small", "from large"]
        hybrid.threshold = 2.0
        assert hybrid.invoke("easy").text == "from large"
        assert strict.router is hybrid.router
        assert strict.state.breakers is hybrid.state.breakers

    def test_a_deep_copy_shares_the_router_and_the_breakers(self, router: Router) -> None:
        hybrid = pair(router, threshold=0.5)
        hybrid.invoke("easy")
        again = copy.deepcopy(hybrid)
        assert again.invoke("easy").text == "from small"
        assert again.router is hybrid.router
        assert again.state.breakers["small"] is hybrid.state.breakers["small"]
        assert again.small is not hybrid.small

    def test_a_pickle_has_the_path_of_the_router_and_new_breakers(self) -> None:
        hybrid = ChatHybrid(ARM, ARM, Router.load(), threshold=0.5)
        shipped = hybrid.router
        assert shipped.path is not None
        hybrid.invoke("easy")
        again = pickle.loads(pickle.dumps(hybrid))
        assert again.invoke("easy").response_metadata["hybrid"]["router_id"] == shipped.id
        assert not again.state.breakers["small"].open

    def test_real_models_do_as_arms(self, router: Router) -> None:
        hybrid = ChatHybrid(
            small=ChatOllama(model="local", base_url=NOWHERE),
            large=ChatOpenAI(model="hosted", base_url=NOWHERE, api_key="secret-key"),
            router=router,
            quality=0.9,
        )
        assert hybrid._get_ls_params()["ls_model_name"] == "local or hosted"
        assert "secret-key" not in repr(hybrid)
        assert "secret-key" not in str(hybrid._get_llm_string())
        assert "secret-key" not in str(hybrid._get_invocation_params())
