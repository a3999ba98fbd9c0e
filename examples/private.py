r"""Private requests: small answers them on this machine, or nobody does, and what follows them stays private too.

Without any setting both models are stand-ins. A side is real when its model is named:

    SMALL_MODEL=<name> OLLAMA_HOST=http://127.0.0.1:11434 \
    LARGE_MODEL=<name> OPENAI_BASE_URL=https://host/v1 OPENAI_API_KEY=... python examples/private.py
"""

import os

from hybrid_llm import Router, private
from hybrid_llm.errors import PrivateError
from hybrid_llm.personal import holds_personal_data
from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel

HARD = "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q."
CARD = "My card is 4111 1111 1111 1111. Compute the remainder of its number divided by 97."

if name := os.environ.get("SMALL_MODEL"):
    from langchain_ollama import ChatOllama

    small = ChatOllama(model=name, base_url=os.environ.get("OLLAMA_HOST"))
    print(f"small: {name}, on Ollama")
else:
    small = FakeChatModel(model="stand-in-small", says="(an answer of the small stand-in)")
    print("small: a stand-in, no model is called; set SMALL_MODEL, and OLLAMA_HOST if needed, for a real one")

if name := os.environ.get("LARGE_MODEL"):
    from langchain_openai import ChatOpenAI  # reads OPENAI_API_KEY itself

    large = ChatOpenAI(model=name, base_url=os.environ.get("OPENAI_BASE_URL"), stream_usage=True)
    print(f"large: {name}, on the OpenAI-compatible server")
else:
    large = FakeChatModel(model="stand-in-large", says="(an answer of the large stand-in)")
    print("large: a stand-in, no model is called; set LARGE_MODEL, OPENAI_BASE_URL and OPENAI_API_KEY for a real one")

# any function of a text will do; this one knows keys, card numbers, IBANs, e-mail addresses and phone numbers
llm = ChatHybrid(small, large, Router.load(), cost_advantage=0.3, private=holds_personal_data)


def show(question, answer):
    """Print who answered, and why."""
    decision = answer.response_metadata["hybrid"]
    print(f"  {decision['route']} ({decision['reason']})  {question}\n      {answer.text}")
    return answer


print("\nBy its text:")
show(HARD, llm.invoke(HARD))
answer = show(CARD, llm.invoke(CARD))

print("\nWhat follows stays here, whatever its text:")
show(HARD, llm.invoke([("human", CARD), answer, ("human", HARD)]))

print("\nBy a block around it, for one request, or for all:")
with private():
    show(HARD, llm.invoke(HARD))
show(HARD, llm.invoke(HARD, config={"configurable": {"hybrid_private": True}}))
show(HARD, ChatHybrid(small, large, llm.router, cost_advantage=0.3, private=True).invoke(HARD))

print("\nWhat cannot be followed is an error, and goes nowhere:")
try:
    llm.invoke(CARD, route="large")
except PrivateError as error:
    print(f"  {error}")
