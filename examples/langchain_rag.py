r"""Retrieval-augmented answers: the router scores the question, not the prompt that is stuffed with passages.

Without any setting both models are stand-ins. A side is real when its model is named:

    SMALL_MODEL=<name> OLLAMA_HOST=http://127.0.0.1:11434 \
    LARGE_MODEL=<name> OPENAI_BASE_URL=https://host/v1 OPENAI_API_KEY=... python examples/langchain_rag.py
"""

import os

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.vectorstores import InMemoryVectorStore

from hybrid_llm import Router
from hybrid_llm.scoring import Encoder
from langchain_hybrid import RunnableHybrid

PASSAGES = [
    "Invoices are sent on the first working day of a month. They can be paid by card or bank transfer within 14 days.",
    "A lost card is blocked by calling the hotline, day and night; the new one arrives within five working days.",
    "Interest is compounded monthly: a balance B at a yearly rate r grows to B * (1 + r / 12) ** 12 in a year.",
]
QUESTIONS = [
    "What is the capital of France?",
    "How can I pay an invoice?",
    "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.",
    "Compute what 1,000 at a yearly rate of 7 % grows to in 2024 months, and the remainder when divided by 1000.",
]


class LocalEmbeddings(Embeddings):
    """The encoder that comes with the router, as LangChain embeddings: offline, without torch."""

    def __init__(self) -> None:
        self._encoder = Encoder.load()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one embedding for each text."""
        return self._encoder.encode(texts).embeddings.tolist()

    def embed_query(self, text: str) -> list[float]:
        """Return the embedding of a query."""
        return self.embed_documents([text])[0]


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

retriever = InMemoryVectorStore.from_texts(PASSAGES, LocalEmbeddings()).as_retriever(search_kwargs={"k": 1})
prompt = ChatPromptTemplate.from_template("Answer from these passages:\n{passages}\n\nQuestion: {question}")
hybrid = RunnableHybrid(small, large, Router.load(), cost_advantage=0.3)
routed = prompt | hybrid

for question in QUESTIONS:
    passages = "\n".join(document.page_content for document in retriever.invoke(question))
    stuffed = {"passages": passages, "question": question}
    # hybrid_query is what the router scores; without it that would be the whole prompt
    message = routed.invoke(stuffed, {"configurable": {"hybrid_query": question}})
    decision = message.response_metadata["hybrid"]
    print(f"\n{decision['route']}  score {decision['score']:.2f}  {question}")
    print(f"      found: {passages[:60]}...\n      {message.text}")
