"""A LangChain chain in which the router sends each question to a small or to a large model.

Both models are stand-ins until they are named: see `models.py`.
"""

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from hybrid_llm import Router
from langchain_hybrid import RunnableHybrid
from models import chat_models

QUESTIONS = [
    "What is the capital of France?",
    "Which planet is known as the red planet?",
    "Which gas do plants take in for photosynthesis?",
    "Design a rate limiter for a service with three replicas, and say what it loses when one of them is cut off.",
    "Prove that every group of order 15 is cyclic, and say where the argument fails for order 21.",
]

small, large = chat_models()

# cost_advantage=0.3: of all queries, the 30 % that small answers best go there; quality=0.97 is the other dial
hybrid = RunnableHybrid(small, large, Router.load(), cost_advantage=0.3)
prompt = ChatPromptTemplate.from_messages([("system", "Answer in one sentence."), ("human", "{question}")])
routed = prompt | hybrid
chain = routed | StrOutputParser()

print("\nOne by one:")
for question in QUESTIONS:
    message = routed.invoke({"question": question})
    decision = message.response_metadata["hybrid"]
    print(f"  {decision['route']}  score {decision['score']:.2f}  {question}\n      {message.text}")

print("\nA batch, scored in one pass:")
for answer in chain.batch([{"question": question} for question in QUESTIONS]):
    print(f"  {answer}")

print("\nA stream, at a quality of its own:")
for token in chain.stream({"question": QUESTIONS[-1]}, {"configurable": {"hybrid_quality": 0.9}}):
    print(token, end="", flush=True)
print()
