"""Hybrid routing for LlamaIndex: a selector that sends each query to a small or a large engine.

Needs ``llama-index-core`` only (``pip install 'hybrid-llm[llamaindex]'``).
"""

from llamaindex_hybrid.selector import HybridQueryBundle, HybridSelection, HybridSelector

__all__ = ["HybridQueryBundle", "HybridSelection", "HybridSelector"]
