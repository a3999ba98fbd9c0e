r"""What it saved: a journal of every request, and what it adds up to, by model and by day.

Without any setting both models are stand-ins, and their dollars are made up. A side is real when its model is named:

    SMALL_MODEL=<name> OLLAMA_HOST=http://127.0.0.1:11434 \
    LARGE_MODEL=<name> OPENAI_BASE_URL=https://host/v1 OPENAI_API_KEY=... python examples/savings.py
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
    "Who wrote Pride and Prejudice?",
    "Summarise the plot of Hamlet in two sentences.",
    "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.",
    "Compute the remainder when 7 to the power 2024 is divided by 1000.",
]
IN, OUT = 2.5, 10.0  # dollars for a million tokens of the large model, read and written

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
    # texts=True would keep queries and answers too, which an audit of the promise needs
    journal = Journal(Path(folder, "traffic.sqlite"))
    llm = ChatHybrid(
        small,
        large,
        Router.load(),
        cost_advantage=0.3,
        observers=[journal],
        prices={large_name: (IN, OUT)},  # those of well-known hosted models are known, and a local one costs nothing
    )

    print("\nEach answer says what was called for it:")
    for question in QUESTIONS:
        for call in llm.invoke(question).response_metadata["hybrid"]["attempts"]:
            tokens = f"{call['input_tokens']} tokens in, {call['output_tokens']} out"
            print(f"  {call['route']}  {tokens}, ${call['cost_usd']:.6f}  {question}")

    journal.flush()  # rows are written a moment later; the end of a program does this too
    print("\nThe journal adds it up, as `hybrid-llm savings traffic.sqlite` does:")
    for line in savings_lines(savings_of(read_journal(journal.path))):
        print(f"  {line}")
