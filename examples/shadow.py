r"""Try it before anybody notices: large answers everything, and what would have been decided is written down.

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
    "Which gas do plants take in for photosynthesis?",
    "Design a rate limiter for a service with three replicas, and say what it loses when one of them is cut off.",
    "Prove that every group of order 15 is cyclic, and say where the argument fails for order 21.",
]

small, large = chat_models(lambda text: FakeChatModel(model=text, says=text))  # these count their tokens

with tempfile.TemporaryDirectory() as folder:
    journal = Journal(Path(folder, "traffic.sqlite"), texts=True)  # texts: for `hybrid-llm audit`
    llm = ChatHybrid(
        small,
        large,
        Router.load(),
        cost_advantage=0.3,
        shadow=True,  # take this line away when you are convinced
        observers=[journal],
        prices={LARGE or large.model: (2.5, 10)},
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
