"""A LlamaIndex router query engine that asks a small or a large model about one index.

Both models are stand-ins until they are named: see `models.py`.
"""

from llama_index.core import Document, SummaryIndex
from llama_index.core.query_engine import RouterQueryEngine
from llama_index.core.tools import QueryEngineTool

from hybrid_llm import Router
from llamaindex_hybrid import HybridQueryBundle, HybridSelector
from models import llms

QUESTIONS = [
    "What is the capital of France?",
    "Which planet is known as the red planet?",
    "Which gas do plants take in for photosynthesis?",
    "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.",
    "Prove that every group of order 15 is cyclic, and say where the argument fails for order 21.",
]

index = SummaryIndex.from_documents([Document(text="Paris is the capital of France. Mars is the red planet.")])

small, large = llms()

# cost_advantage=0.3: of all queries, the 30 % that small answers best go there; quality=0.97 is the other dial
engine = RouterQueryEngine(
    selector=HybridSelector(Router.load(), cost_advantage=0.3, small="small", large="large"),
    query_engine_tools=[
        QueryEngineTool.from_defaults(
            index.as_query_engine(llm=small), name="small", description="the index, read by the small model"
        ),
        QueryEngineTool.from_defaults(
            index.as_query_engine(llm=large), name="large", description="the index, read by the large model"
        ),
    ],
    llm=large,  # the engine wants one for merging several answers; with this selector there is only one
)

print("\nOne by one:")
for question in QUESTIONS:
    response = engine.query(question)
    print(f"  {question}\n      {response.metadata['selector_result'].reason}\n      {response}")

print("\nAt a quality of its own:")
response = engine.query(HybridQueryBundle(QUESTIONS[-1], quality=0.9))
print(f"  {response.metadata['selector_result'].reason}\n  {response}")
