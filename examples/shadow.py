r"""Try it before anybody notices: large answers everything, and what would have been decided is written down.

Without any setting both models are stand-ins. A side is real when its model is named:

    SMALL_MODEL=<name> OLLAMA_HOST=http://127.0.0.1:11434 \
    LARGE_MODEL=<name> OPENAI_BASE_URL=https://host/v1 OPENAI_API_KEY=... python examples/shadow.py
"""

import os
import tempfile
from pathlib import Path

from hybrid_llm import Router
from hybrid_llm.observe import Journal, read_journal
from hybrid_llm.report import savings_lines, savings_of
from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel

QUESTIONS = [
    "What is the capital of France?",
    "Which planet is known as the red planet?",
    "Summarise the plot of Hamlet in two sentences.",
    "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.",
    "Compute the remainder when 7 to the power 2024 is divided by 1000.",
]

if name := os.environ.get("SMALL_MODEL"):
    from langchain_ollama import ChatOllama

    small = ChatOllama(model=name, base_url=os.environ.get("OLLAMA_HOST"))
    print(f"small: {name}, on Ollama")
else:
    small = FakeChatModel(model="stand-in-small", says="(an answer of the small stand-in)")
    print("small: a stand-in, no model is called; set SMALL_MODEL, and OLLAMA_HOST if needed, for a real one")

if large_name := os.environ.get("LARGE_MODEL"):
    from langchain_openai import ChatOpenAI  # reads OPENAI_API_KEY itself

    large = ChatOpenAI(model=large_name, base_url=os.environ.get("OPENAI_BASE_URL"), stream_usage=True)
    print(f"large: {large_name}, on the OpenAI-compatible server")
else:
    large_name = "stand-in-large"
    large = FakeChatModel(model=large_name, says="(an answer of the large stand-in)")
    print("large: a stand-in, no model is called; set LARGE_MODEL, OPENAI_BASE_URL and OPENAI_API_KEY for a real one")

with tempfile.TemporaryDirectory() as folder:
    journal = Journal(Path(folder, "traffic.sqlite"), texts=True)  # texts: for `hybrid-llm audit`
    llm = ChatHybrid(
        small,
        large,
        Router.load(),
        cost_advantage=0.3,
        shadow=True,  # take this line away when you are convinced
        observers=[journal],
        prices={large_name: (2.5, 10)},
    )

    print("\nLarge answers all of them, and beside it stands what would have been:")
    for question in QUESTIONS:
        answer = llm.invoke(question)
        decision = answer.response_metadata["hybrid"]
        would_be = decision["shadow"]
        print(f"  {decision['route']} (would be {would_be['route']}, score {would_be['score']:.2f})  {question}")
        print(f"      {answer.text}")

    journal.flush()
    print("\nIs it worth switching on? On your own traffic:")
    for line in savings_lines(savings_of(read_journal(journal.path))):
        print(f"  {line}")
