"""A conversation in which easy questions go to the small model, hard ones to the large one, and follow-ups stay.

Both models are stand-ins until they are named: see `models.py`.
"""

from langchain_core.messages import AnyMessage, HumanMessage

from hybrid_llm import Router
from langchain_hybrid import ChatHybrid
from models import chat_models

TURNS = [
    "What is the capital of France?",
    "And of Spain?",
    "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.",
    "Are you sure?",
    "Which planet is known as the red planet?",
]

small, large = chat_models()

# cost_advantage=0.3: of all queries, the 30 % that small answers best go there; quality=0.97 is the other dial
llm = ChatHybrid(small, large, Router.load(), cost_advantage=0.3)

# any history will do that keeps the messages as they are: each answer carries its decision, so a follow-up, which says
# too little to be scored, stays where it is. What the answers of one provider hold for itself is left out for another.
history: list[AnyMessage] = []

print("\nA conversation:")
for turn in TURNS:
    history.append(HumanMessage(turn))
    answer = llm.invoke(history)
    history.append(answer)
    decision = answer.response_metadata["hybrid"]
    print(f"  {decision['route']} ({decision['reason']})  {turn}\n      {answer.text}")
