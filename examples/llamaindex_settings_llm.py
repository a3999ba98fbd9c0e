"""HybridLLM as the LLM of everything: query and chat engines over one index, each question routed by itself.

Both models are stand-ins until they are named: see `models.py`.
"""

from typing import Any

from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.memory import ChatMemoryBuffer

from hybrid_llm import Router
from hybrid_llm.scoring import Encoder
from llamaindex_hybrid import HybridLLM, HybridRoutingEvent
from models import llms

QUESTIONS = [
    "What is the capital of France?",
    "Which planet is known as the red planet?",
    "Which gas do plants take in for photosynthesis?",
    "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.",
    "Prove that every group of order 15 is cyclic, and say where the argument fails for order 21.",
]
TEXTS = ["Paris is the capital of France.", "Mars is the red planet.", "Plants take in carbon dioxide."]


class EncoderEmbedding(BaseEmbedding):
    """The router's encoder as the embedding of the index, so that no other model is needed."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return [float(value) for value in ENCODER.encode([text]).embeddings[0]]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


class ShowRoute(BaseEventHandler):
    """Prints where each call goes, as it goes there; a cost report would add it up."""

    def handle(self, event: Any, **kwargs: Any) -> None:
        """Print a routing event."""
        if isinstance(event, HybridRoutingEvent):
            print(f"  {event.decision['route']} ({event.decision['reason']})  ", end="")


small, large = llms()

ENCODER = Encoder.load()
# cost_advantage=0.3: of all queries, the 30 % that small answers best go there; quality=0.97 is the other dial
Settings.llm = HybridLLM(small, large, Router.load(), cost_advantage=0.3)
Settings.embed_model = EncoderEmbedding()
index = VectorStoreIndex.from_documents([Document(text=text) for text in TEXTS])
get_dispatcher().add_event_handler(ShowRoute())

print("\nA query engine:")
engine = index.as_query_engine(similarity_top_k=1)
for question in QUESTIONS:
    print(f"{question}\n      {engine.query(question)}")

print("\nA stream:")
for token in index.as_query_engine(streaming=True).query(QUESTIONS[0]).response_gen:
    print(token, end="", flush=True)

print("\n\nA conversation; a short follow-up stays where it is:")
chat = index.as_chat_engine(chat_mode="context", memory=ChatMemoryBuffer.from_defaults(token_limit=2000))
for question in (QUESTIONS[3], "Why is that so?", QUESTIONS[0]):
    print(f"{question}\n      {chat.chat(question)}")
