"""One chat model, and a quality of its own for each request.

Both models are stand-ins until they are named: see `models.py`.
"""

import asyncio

from hybrid_llm import Router
from langchain_hybrid import ChatHybrid
from models import chat_models

QUESTIONS = [
    "What is the capital of France?",
    "Which planet is known as the red planet?",
    "Which gas do plants take in for photosynthesis?",
    "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.",
    "Prove that every group of order 15 is cyclic, and say where the argument fails for order 21.",
]

small, large = chat_models()

# requests may choose from sending nothing to small up to sending 80 % there, and not more
llm = ChatHybrid(small, large, Router.load(), cost_advantage=0.3, allowed=(0.0, 0.8))


def routes(messages: list) -> str:
    """Return who answered each question, in order."""
    return " ".join(message.response_metadata["hybrid"]["route"] for message in messages)


print("\nThe same questions, each time at another level:")
print(f"  constructor            0.3  {routes(llm.batch(QUESTIONS))}")
print(f"  keyword                0.0  {routes([llm.invoke(question, cost_advantage=0.0) for question in QUESTIONS])}")
print(f"  bind                   0.6  {routes(llm.bind(cost_advantage=0.6).batch(QUESTIONS))}")
config = {"configurable": {"hybrid_cost_advantage": 0.8}}
print(f"  config                 0.8  {routes(llm.batch(QUESTIONS, config))}")
configs = [{"configurable": {"hybrid_cost_advantage": level}} for level in (0.0, 0.0, 0.8, 0.8, 0.8)]
print(f"  a config for each           {routes(llm.batch(QUESTIONS, configs))}")
print(f"  forced                      {routes([llm.invoke(question, route='large') for question in QUESTIONS])}")


async def stream(question: str, quality: float) -> None:
    """Print an answer token by token; its first chunk has the decision."""
    async for chunk in llm.astream(question, quality=quality):
        if route := chunk.response_metadata.get("hybrid", {}).get("route"):
            print(f"  quality {quality}  {route}  ", end="")
        print(chunk.text, end="", flush=True)
    print()


print("\nA stream at a quality of its own:")
asyncio.run(stream(QUESTIONS[-1], 0.99))

print("\nMore than requests may choose:")
try:
    llm.invoke(QUESTIONS[-1], cost_advantage=1.0)
except ValueError as error:
    print(f"  {error}")
