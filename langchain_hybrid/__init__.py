"""Hybrid routing for LangChain: a chain, a chat model or an agent that a small or a large model answers.

``RunnableHybrid`` and ``ChatHybrid`` need ``langchain-core`` only (``pip install 'hybrid-llm[langchain]'``);
``HybridRouterMiddleware`` needs ``langchain`` (``pip install 'hybrid-llm[agents]'``), and ``HybridDecisionModel``
``langchain-core`` 1.8 or later. The names are imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_llm.lazy import lazy_names

if TYPE_CHECKING:
    from langchain_hybrid.chat import ChatHybrid
    from langchain_hybrid.decisions import HybridDecisionModel
    from langchain_hybrid.middleware import HybridRouterMiddleware
    from langchain_hybrid.runnable import RunnableHybrid

__all__ = ["ChatHybrid", "HybridDecisionModel", "HybridRouterMiddleware", "RunnableHybrid"]

_HOMES = {
    "ChatHybrid": "langchain_hybrid.chat",
    "HybridDecisionModel": "langchain_hybrid.decisions",
    "HybridRouterMiddleware": "langchain_hybrid.middleware",
    "RunnableHybrid": "langchain_hybrid.runnable",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
