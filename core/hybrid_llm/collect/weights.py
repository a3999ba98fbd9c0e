"""Which weights a local server has under a name, asked without asking the model anything."""

from __future__ import annotations

from typing import Final

from hybrid_llm.collect.models import ModelName
from hybrid_llm.errors import MissingExtraError

PATIENCE: Final = 5.0
"""Seconds that a server has to list its models."""


def weights_of(model: ModelName) -> str | None:
    """Return the hash of the weights that an Ollama has under a name; ``None`` where nobody tells.

    Other servers tell none: llama.cpp and vLLM name a file or a build, which may change while the weights stay.

    Args:
        model: The model.

    Raises:
        MissingExtraError: The client is not installed.
    """
    if model.kind != "ollama":
        return None
    try:
        import httpx
        from ollama import Client
    except ImportError as error:
        raise MissingExtraError(f"{model} needs Ollama's client: pip install 'hybrid-llm[collect]'") from error
    client = Client(host=model.url, timeout=PATIENCE)
    try:
        listed = client.list().models
    except (ConnectionError, httpx.HTTPError):
        return None
    finally:
        client._client.close()
    names = {model.name, f"{model.name}:latest"}
    return next((one.digest for one in listed if one.model in names and one.digest), None)
