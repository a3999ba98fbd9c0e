r"""A conversation in which easy questions go to the small model, hard ones to the large one, and follow-ups stay.

Without any setting both models are stand-ins. A side is real when its model is named:

    SMALL_MODEL=<name> OLLAMA_HOST=http://127.0.0.1:11434 \
    LARGE_MODEL=<name> OPENAI_BASE_URL=https://host/v1 OPENAI_API_KEY=... python examples/langchain_history.py
"""

import os

from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AnyMessage, HumanMessage

from hybrid_llm import Router
from langchain_hybrid import ChatHybrid

TURNS = [
    "What is the capital of France?",
    "And of Spain?",
    "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.",
    "Are you sure?",
    "Which planet is known as the red planet?",
]

if name := os.environ.get("SMALL_MODEL"):
    from langchain_ollama import ChatOllama

    small = ChatOllama(model=name, base_url=os.environ.get("OLLAMA_HOST"))
    print(f"small: {name}, on Ollama")
else:
    small = FakeListChatModel(responses=["(an answer of the small stand-in)"])
    print("small: a stand-in, no model is called; set SMALL_MODEL, and OLLAMA_HOST if needed, for a real one")

if name := os.environ.get("LARGE_MODEL"):
    from langchain_openai import ChatOpenAI  # reads OPENAI_API_KEY itself

    large = ChatOpenAI(model=name, base_url=os.environ.get("OPENAI_BASE_URL"), stream_usage=True)
    print(f"large: {name}, on the OpenAI-compatible server")
else:
    large = FakeListChatModel(responses=["(an answer of the large stand-in)"])
    print("large: a stand-in, no model is called; set LARGE_MODEL, OPENAI_BASE_URL and OPENAI_API_KEY for a real one")

# cost_advantage=0.3: of all queries, the 30 % that small answers best go there; quality=0.97 is the other dial
llm = ChatHybrid(small, large, Router.load(), cost_advantage=0.3)

# any history will do that keeps the messages as they are: each answer carries its decision, so a follow-up, which says
# too little to be scored, stays where it is. What the answers of one provider hold for itself is left out for another.
history: list[AnyMessage] = []

print("\nA conversation:")
for turn in TURNS:
    history.append(HumanMessage(turn))
    answer = llm.invoke(history)
    history.append(answer)
    decision = answer.response_metadata["hybrid"]
    print(f"  {decision['route']} ({decision['reason']})  {turn}\n      {answer.text}")
