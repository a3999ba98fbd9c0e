"""One LLM, and a quality of its own for each request, also through an engine that takes no options.

Both models are stand-ins until they are named: see `models.py`.
"""

from typing import Any

from llama_index.core import Document, SummaryIndex
from llama_index.core.base.llms.types import ChatMessage

from hybrid_llm import Router
from llamaindex_hybrid import HybridLLM, hybrid_quality
from models import llms

QUESTIONS = [
    "What is the capital of France?",
    "Which planet is known as the red planet?",
    "Which gas do plants take in for photosynthesis?",
    "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.",
    "Prove that every group of order 15 is cyclic, and say where the argument fails for order 21.",
]


small, large = llms()

# requests may choose from sending nothing to small up to sending 80 % there, and not more
llm = HybridLLM(small, large, Router.load(), cost_advantage=0.3, allowed=(0.0, 0.8))


def routes(model: HybridLLM, **options: Any) -> str:
    """Return who answers each question, in order."""
    answers = [model.chat([ChatMessage(question)], **options) for question in QUESTIONS]
    return " ".join(answer.additional_kwargs["hybrid"]["route"] for answer in answers)


print("\nThe same questions, each time at another level:")
print(f"  constructor      0.3  {routes(llm)}")
print(f"  keyword          0.0  {routes(llm, cost_advantage=0.0)}")
print(f"  a copy           0.6  {routes(llm.with_quality(cost_advantage=0.6))}")
with hybrid_quality(cost_advantage=0.8):
    print(f"  hybrid_quality   0.8  {routes(llm)}")
print(f"  forced                {routes(llm, route='large')}")

print("\nThrough a query engine, which has no place for options:")
index = SummaryIndex.from_documents([Document(text="Paris is the capital of France. Mars is the red planet.")])
engine = index.as_query_engine(llm=llm)
print(f"  constructor      {engine.query(QUESTIONS[3])}")
with hybrid_quality(cost_advantage=0.8):
    print(f"  hybrid_quality   {engine.query(QUESTIONS[3])}")

print("\nA stream is answered when it is read, so its level belongs to the engine:")
streaming = index.as_query_engine(llm=llm.with_quality(cost_advantage=0.8), streaming=True)
print(f"  a copy           {''.join(streaming.query(QUESTIONS[3]).response_gen)}")

print("\nMore than requests may choose:")
try:
    llm.complete(QUESTIONS[-1], cost_advantage=1.0)
except ValueError as error:
    print(f"  {error}")
