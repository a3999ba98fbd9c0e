r"""What it saved: a journal of every request, and what it adds up to, by model and by day.

Both models are stand-ins until they are named: see `models.py`.
"""

import tempfile
from pathlib import Path

from hybrid_llm import Router
from hybrid_llm.observe import Journal, read_journal
from hybrid_llm.report import savings_lines, savings_of
from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel
from models import LARGE, chat_models

QUESTIONS = [
    "What is the capital of France?",
    "Which planet is known as the red planet?",
    "Is a tomato a fruit or a vegetable?",
    "Which gas do plants take in for photosynthesis?",
    "Design a rate limiter for a service with three replicas, and say what it loses when one of them is cut off.",
    "Prove that every group of order 15 is cyclic, and say where the argument fails for order 21.",
]
IN, OUT = 2.5, 10.0  # dollars for a million tokens of the large model, read and written

small, large = chat_models(lambda text: FakeChatModel(model=text, says=text))  # these count their tokens

with tempfile.TemporaryDirectory() as folder:
    # texts=True would keep queries and answers too, which an audit of the promise needs
    journal = Journal(Path(folder, "traffic.sqlite"))
    llm = ChatHybrid(
        small,
        large,
        Router.load(),
        cost_advantage=0.3,
        observers=[journal],
        prices={
            LARGE or large.model: (IN, OUT)
        },  # those of well-known hosted models are known, and a local one costs nothing
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
