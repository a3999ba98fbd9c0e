r"""A LangChain chain in which the router sends each question to a small or to a large model.

Without any setting both models are stand-ins. A side is real when its model is named:

    SMALL_MODEL=<name> OLLAMA_HOST=http://127.0.0.1:11434 \
    LARGE_MODEL=<name> OPENAI_BASE_URL=https://host/v1 OPENAI_API_KEY=... python examples/langchain_chain.py
"""

import os

from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from hybrid_llm import Router
from langchain_hybrid import RunnableHybrid

QUESTIONS = [
    "What is the capital of France?",
    "Which planet is known as the red planet?",
    "Summarise the plot of Hamlet in two sentences.",
    "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.",
    "Compute the remainder when 7 to the power 2024 is divided by 1000.",
]

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
