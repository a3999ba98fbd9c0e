"""Hybrid routing for LlamaIndex: an LLM that is a small and a large one, and a selector between two query engines.

Needs ``llama-index-core`` only (``pip install 'hybrid-llm[llamaindex]'``). The names are imported when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llamaindex_hybrid.events import HybridRoutingEvent
    from llamaindex_hybrid.levels import hybrid_quality
    from llamaindex_hybrid.llm import HybridLLM
    from llamaindex_hybrid.selector import HybridQueryBundle, HybridSelection, HybridSelector

__all__ = [
    "HybridLLM",
    "HybridQueryBundle",
    "HybridRoutingEvent",
    "HybridSelection",
    "HybridSelector",
    "hybrid_quality",
]

_HOMES = {
    "HybridLLM": "llamaindex_hybrid.llm",
    "HybridQueryBundle": "llamaindex_hybrid.selector",
    "HybridRoutingEvent": "llamaindex_hybrid.events",
    "HybridSelection": "llamaindex_hybrid.selector",
    "HybridSelector": "llamaindex_hybrid.selector",
    "hybrid_quality": "llamaindex_hybrid.levels",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home the first time it is used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, also those not imported yet."""
    return sorted(__all__)
