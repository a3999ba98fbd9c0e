"""hybrid-llm in LiteLLM's proxy: each request to the model ``hybrid`` goes to the small or to the large model group.

``callbacks: ["litellm_hybrid.hybrid"]`` in a ``config.yaml`` switches it on, and ``callback_settings`` says which two
groups it chooses between; see ``docs/guide/litellm.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from litellm_hybrid.routing import HybridRouting

__all__ = ["HybridRouting"]


def __getattr__(name: str) -> Any:
    """Return the class, or the plug-in of the proxy in this process, which LiteLLM asks for by the name ``hybrid``."""
    if name not in ("HybridRouting", "hybrid"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hybrid_llm.errors import MissingExtraError

    try:
        from litellm_hybrid.routing import HybridRouting
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("litellm", "fastapi"):
            raise
        raise MissingExtraError.of("LiteLLM's proxy", "litellm") from error
    return HybridRouting if name == "HybridRouting" else HybridRouting.of_proxy()
