r"""A second look: small answers first, and what it is not sure of is answered by large instead. Nothing is graded.

Without any setting both models are stand-ins. A side is real when its model is named; small's server has to say how
sure it is of each token (llama-server, vLLM, and Ollama from 0.12.11 on do so at their /v1):

    SMALL_MODEL=<name> SMALL_BASE_URL=http://127.0.0.1:11434/v1 \
    LARGE_MODEL=<name> OPENAI_BASE_URL=https://host/v1 OPENAI_API_KEY=... python examples/second_look.py
"""

import os

from langchain_core.language_models import FakeListChatModel
from langchain_core.outputs import ChatResult

from hybrid_llm import Answer, Router
from hybrid_llm.training import untrained_looks
from langchain_hybrid import ChatHybrid

PROMPTS = [f"What is {a} {word} {b}?" for a in (7, 19, 140, 2_071) for b in (3, 12, 88) for word in ("+", "-", "times")]
QUESTIONS = ["What is 7 + 5?", "What is 19 - 4?", "What is 140 times 12?", "What is 2,071 times 88?"]
SHORT = "Answer with a number alone. "


class SmallStandIn(FakeListChatModel):
    """Stands in for a small model: says how sure it is of its words, and is sure of all but multiplications."""

    def _generate(self, messages, *args, **kwargs) -> ChatResult:
        result = super()._generate(messages, *args, **kwargs)
        message, words = result.generations[0].message, messages[-1].text.split()
        logprob = -len(messages[-1].text) / 1000 - ("times" in words)
        message.response_metadata["logprobs"] = {"content": [{"token": message.text, "logprob": logprob}]}
        return result


if name := os.environ.get("SMALL_MODEL"):
    from langchain_openai import ChatOpenAI

    url = os.environ.get("SMALL_BASE_URL", "http://127.0.0.1:11434/v1")
    limit = {"max_tokens": 16}  # llama-server does not know the newer word for it, which the class would send
    small = ChatOpenAI(model=name, base_url=url, api_key="none", temperature=0, stream_usage=True, extra_body=limit)
    print(f"small: {name}, at {url}")
else:
    small = SmallStandIn(responses=["(an answer of the small stand-in)"], disable_streaming=True)
    print("small: a stand-in, no model is called; set SMALL_MODEL and SMALL_BASE_URL for a real one")

if name := os.environ.get("LARGE_MODEL"):
    from langchain_openai import ChatOpenAI  # reads OPENAI_API_KEY itself

    large = ChatOpenAI(model=name, base_url=os.environ.get("OPENAI_BASE_URL"), stream_usage=True)
    print(f"large: {name}, on the OpenAI-compatible server")
else:
    large = FakeListChatModel(responses=["(an answer of the large stand-in)"])
    print("large: a stand-in, no model is called; set LARGE_MODEL, OPENAI_BASE_URL and OPENAI_API_KEY for a real one")

# how sure small is of its answers to some prompts makes the levels; hybrid-llm calibrate --unlabelled does the same
answers = []
for message in small.bind(logprobs=True).batch([SHORT + prompt for prompt in PROMPTS]):
    tokens = message.response_metadata["logprobs"]["content"]
    answers.append(Answer(message.text, [min(token["logprob"], 0.0) for token in tokens]))
looks = untrained_looks(os.environ.get("SMALL_MODEL", "stand-in"), PROMPTS, answers)
router = Router.load().override(looks=looks)

# cost_advantage=0.6: the surest 60 % of small's answers are shown; check= is a rule of one's own besides
llm = ChatHybrid(small, large, router, second_look="logprobs", cost_advantage=0.6, check=lambda q, a: len(a) < 200)

print(f"\nOf {len(answers)} answers of small the surest 60 % would be kept:")
for question in QUESTIONS:
    message = llm.invoke(SHORT + question, max_tokens=16)
    decision = message.response_metadata["hybrid"]
    called = " + ".join(attempt["route"] for attempt in decision["attempts"])
    print(f"  {decision['route']}  {decision['reason']}  {called}  {question}\n      {message.text.strip()}")

print("\nA stream shows nothing before the look, and then the text of one model:")
text = "".join(chunk.text for chunk in llm.stream(SHORT + QUESTIONS[-1], max_tokens=16))
print(f"  {text.strip()}")
