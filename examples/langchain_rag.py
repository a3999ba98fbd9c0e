"""Retrieval-augmented answers: the router scores the question, not the prompt that is stuffed with passages.

Both models are stand-ins until they are named: see `models.py`.
"""

from langchain_core.embeddings import Embeddings
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.vectorstores import InMemoryVectorStore

from hybrid_llm import Router
from hybrid_llm.scoring import Encoder
from langchain_hybrid import RunnableHybrid
from models import chat_models

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


small, large = chat_models()

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
