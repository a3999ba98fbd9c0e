"""Hybrid routing for LangChain: a step of a chain that a small or a large model answers, query by query.

Needs ``langchain-core`` only (``pip install 'hybrid-llm[langchain]'``).
"""

from langchain_hybrid.runnable import RunnableHybrid

__all__ = ["RunnableHybrid"]
