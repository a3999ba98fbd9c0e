r"""Private requests: small answers them on this machine, or nobody does, and what follows them stays private too.

Both models are stand-ins until they are named: see `models.py`.
"""

from hybrid_llm import Router, private
from hybrid_llm.errors import PrivateError
from hybrid_llm.personal import holds_personal_data
from langchain_hybrid import ChatHybrid
from models import chat_models

HARD = "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q."
CARD = "My card is 4111 1111 1111 1111. Compute the remainder of its number divided by 97."

small, large = chat_models()

# any function of a text will do; this one knows keys, card numbers, IBANs, e-mail addresses and phone numbers
llm = ChatHybrid(small, large, Router.load(), cost_advantage=0.3, private=holds_personal_data)


def show(question, answer):
    """Print who answered, and why."""
    decision = answer.response_metadata["hybrid"]
    print(f"  {decision['route']} ({decision['reason']})  {question}\n      {answer.text}")
    return answer


print("\nBy its text:")
show(HARD, llm.invoke(HARD))
answer = show(CARD, llm.invoke(CARD))

print("\nWhat follows stays here, whatever its text:")
show(HARD, llm.invoke([("human", CARD), answer, ("human", HARD)]))

print("\nBy a block around it, for one request, or for all:")
with private():
    show(HARD, llm.invoke(HARD))
show(HARD, llm.invoke(HARD, config={"configurable": {"hybrid_private": True}}))
show(HARD, ChatHybrid(small, large, llm.router, cost_advantage=0.3, private=True).invoke(HARD))

print("\nWhat cannot be followed is an error, and goes nowhere:")
try:
    llm.invoke(CARD, route="large")
except PrivateError as error:
    print(f"  {error}")
