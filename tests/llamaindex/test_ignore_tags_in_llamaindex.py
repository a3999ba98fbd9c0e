"""HybridLLM leaves out of the score what an editor appended, and hands it on to the model."""

from llama_index.core.llms import ChatMessage

from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM
from llamaindex_hybrid.testing import FakeLLM

SCORER = FixedScorer({"Why is the sky blue?": 0.9}, default=0.1)
TEXT = "Why is the sky blue?<environment_details>src/a.py</environment_details>"


def model():
    small, large = FakeLLM(model="small"), FakeLLM(model="large")
    return HybridLLM(small, large, SCORER, threshold=0.5, ignore_tags=["environment_details"])


def test_chat():
    assert model().chat([ChatMessage(TEXT)]).message.content == "from small"


async def test_chat_without_blocking():
    assert (await model().achat([ChatMessage(TEXT)])).message.content == "from small"


def test_a_copy_keeps_the_tags():
    assert model().model_copy().chat([ChatMessage(TEXT)]).message.content == "from small"
