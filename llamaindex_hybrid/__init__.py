"""Hybrid routing for LlamaIndex: an LLM that is a small and a large one, and a selector between two query engines.

Needs ``llama-index-core`` only (``pip install 'hybrid-llm[llamaindex]'``). The names are imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_llm.lazy import lazy_names

if TYPE_CHECKING:
    from llamaindex_hybrid.events import HybridDiscardedEvent, HybridRoutingEvent
    from llamaindex_hybrid.levels import hybrid_quality
    from llamaindex_hybrid.llm import HybridLLM
    from llamaindex_hybrid.selector import HybridQueryBundle, HybridSelection, HybridSelector

__all__ = [
    "HybridDiscardedEvent",
    "HybridLLM",
    "HybridQueryBundle",
    "HybridRoutingEvent",
    "HybridSelection",
    "HybridSelector",
    "hybrid_quality",
]

_HOMES = {
    "HybridDiscardedEvent": "llamaindex_hybrid.events",
    "HybridLLM": "llamaindex_hybrid.llm",
    "HybridQueryBundle": "llamaindex_hybrid.selector",
    "HybridRoutingEvent": "llamaindex_hybrid.events",
    "HybridSelection": "llamaindex_hybrid.selector",
    "HybridSelector": "llamaindex_hybrid.selector",
    "hybrid_quality": "llamaindex_hybrid.levels",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
