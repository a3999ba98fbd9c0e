r"""Two models of one Ollama, a small and a large one: nothing leaves the machine, and no key is needed.

Without any setting both models are stand-ins. A side is real when its model is named:

    SMALL_MODEL=<name> LARGE_MODEL=<name> OLLAMA_HOST=http://127.0.0.1:11434 python examples/langchain_two_ollama.py
"""

import os

from langchain_core.language_models import FakeListChatModel

from hybrid_llm import Router
from langchain_hybrid import ChatHybrid

QUESTIONS = [
    "What is the capital of France?",
    "Which planet is known as the red planet?",
    "Which gas do plants take in for photosynthesis?",
    "Design a rate limiter for a service with three replicas, and say what it loses when one of them is cut off.",
    "Prove that every group of order 15 is cyclic, and say where the argument fails for order 21.",
]

models = {}
for side in ("small", "large"):
    if name := os.environ.get(f"{side.upper()}_MODEL"):
        from langchain_ollama import ChatOllama

        models[side] = ChatOllama(model=name, base_url=os.environ.get("OLLAMA_HOST"))
        print(f"{side}: {name}, on Ollama")
    else:
        models[side] = FakeListChatModel(responses=[f"(an answer of the {side} stand-in)"])
        print(f"{side}: a stand-in, no model is called; set {side.upper()}_MODEL, and OLLAMA_HOST if needed")

# cost_advantage=0.3: of all queries, the 30 % that small answers best go there; quality=0.97 is the other dial.
# fallback_to_small: when the large model does not fit into the memory that is left, the small one answers all.
llm = ChatHybrid(**models, router=Router.load(), cost_advantage=0.3, fallback_to_small=True)

print("\nA batch, scored in one pass:")
for question, message in zip(QUESTIONS, llm.batch(QUESTIONS), strict=True):
    decision = message.response_metadata["hybrid"]
    print(f"  {decision['route']}  score {decision['score']:.2f}  {question}\n      {message.text}")
