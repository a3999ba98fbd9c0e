r"""A LlamaIndex router query engine that asks a small or a large model about one index.

Without any setting both query engines are stand-ins. A side is real when its model is named:

    SMALL_MODEL=<name> OLLAMA_HOST=http://127.0.0.1:11434 \
    LARGE_MODEL=<name> OPENAI_BASE_URL=https://host/v1 OPENAI_API_KEY=... python examples/llamaindex_query_engine.py
"""

import os

from llama_index.core import Document, SummaryIndex
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import CustomQueryEngine, RouterQueryEngine
from llama_index.core.tools import QueryEngineTool

from hybrid_llm import Router
from llamaindex_hybrid import HybridQueryBundle, HybridSelector

QUESTIONS = [
    "What is the capital of France?",
    "Which planet is known as the red planet?",
    "Summarise the plot of Hamlet in two sentences.",
    "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.",
    "Compute the remainder when 7 to the power 2024 is divided by 1000.",
]


class StandIn(CustomQueryEngine):
    """A query engine that calls no model."""

    answer: str

    def custom_query(self, query_str: str) -> str:
        """Give the fixed answer."""
        return self.answer


index = SummaryIndex.from_documents([Document(text="Paris is the capital of France. Mars is the red planet.")])

if name := os.environ.get("SMALL_MODEL"):
    from llama_index.llms.ollama import Ollama

    host = os.environ.get("OLLAMA_HOST", "http://127.0.0.1:11434")
    small = index.as_query_engine(llm=Ollama(model=name, base_url=host, context_window=8192, request_timeout=120))
    print(f"small: {name}, on Ollama")
else:
    small = StandIn(answer="(an answer of the small stand-in)")
    print("small: a stand-in, no model is called; set SMALL_MODEL, and OLLAMA_HOST if needed, for a real one")

llm = MockLLM()
if name := os.environ.get("LARGE_MODEL"):
    from llama_index.llms.openai_like import OpenAILike  # reads OPENAI_API_KEY itself

    url = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
    llm = OpenAILike(model=name, api_base=url, is_chat_model=True, context_window=32768)
    large = index.as_query_engine(llm=llm)
    print(f"large: {name}, on the OpenAI-compatible server")
else:
    large = StandIn(answer="(an answer of the large stand-in)")
    print("large: a stand-in, no model is called; set LARGE_MODEL, OPENAI_BASE_URL and OPENAI_API_KEY for a real one")

# cost_advantage=0.3: of all queries, the 30 % that small answers best go there; quality=0.97 is the other dial
engine = RouterQueryEngine(
    selector=HybridSelector(Router.load(), cost_advantage=0.3, small="small", large="large"),
    query_engine_tools=[
        QueryEngineTool.from_defaults(small, name="small", description="the index, read by the small model"),
        QueryEngineTool.from_defaults(large, name="large", description="the index, read by the large model"),
    ],
    llm=llm,  # the engine wants one for merging several answers; with this selector there is only one
)

print("\nOne by one:")
for question in QUESTIONS:
    response = engine.query(question)
    print(f"  {question}\n      {response.metadata['selector_result'].reason}\n      {response}")

print("\nAt a quality of its own:")
response = engine.query(HybridQueryBundle(QUESTIONS[-1], quality=0.9))
print(f"  {response.metadata['selector_result'].reason}\n  {response}")
