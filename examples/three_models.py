r"""Three models behind one another: the small ones first, the large one for what neither of them can do.

Without any setting all three are stand-ins. With models of one Ollama and of an OpenAI-compatible server:

    SMALL_MODEL=<name> MIDDLE_MODEL=<name> OLLAMA_HOST=http://127.0.0.1:11434 \
    LARGE_MODEL=<name> OPENAI_BASE_URL=https://host/v1 OPENAI_API_KEY=... python examples/three_models.py
"""

import os

from langchain_core.language_models import FakeListChatModel

from hybrid_llm import Router, private
from langchain_hybrid import ChatHybrid

QUESTIONS = [
    "What is the capital of France?",
    "Which planet is known as the red planet?",
    "Which gas do plants take in for photosynthesis?",
    "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.",
    "Design a rate limiter for a service with three replicas, and say what it loses when one of them is cut off.",
]


def model(side):
    """Return a model, or what stands in for it."""
    name = os.environ.get(f"{side.upper()}_MODEL")
    print(f"{side}: {name or 'a stand-in, no model is called'}")
    if not name:
        return FakeListChatModel(responses=[f"(an answer of the {side} stand-in)"])
    if side == "large":
        from langchain_openai import ChatOpenAI  # reads OPENAI_API_KEY itself

        return ChatOpenAI(model=name, base_url=os.environ.get("OPENAI_BASE_URL"), stream_usage=True)
    from langchain_ollama import ChatOllama

    return ChatOllama(model=name, base_url=os.environ.get("OLLAMA_HOST"))


# two pairs: the inner one is the large arm of the outer one; train a router for each with `hybrid-llm run`
router = Router.load()
small, middle, large = model("small"), model("middle"), model("large")
llm = ChatHybrid(small, ChatHybrid(middle, large, router, cost_advantage=0.6), router, cost_advantage=0.3)


def way(message):
    """Return the routes that a question took, outermost first."""
    steps = message.response_metadata["hybrid"]["steps"]
    return " > ".join(f"{step['route']} {step['score']:.2f}" if step["score"] else step["route"] for step in steps)


print("\nEach question goes down until a model is good enough for it:")
for question, message in zip(QUESTIONS, llm.batch(QUESTIONS), strict=True):
    print(f"  {way(message):24}  {question}\n  {'':24}  {message.text}")

print("\nA level is for the outermost pair; the inner one goes by its own:")
for level in (0.0, 1.0):
    messages = llm.bind(cost_advantage=level).batch(QUESTIONS[-2:])
    print(f"  cost_advantage={level}  {' | '.join(map(way, messages))}")

print("\nA private request stays on the smallest, which has to run here:")
with private():
    message = llm.invoke(QUESTIONS[-1])
print(f"  {way(message)}  {message.text}")
