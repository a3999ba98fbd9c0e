"""An Ollama beside its chat: what its model reads, and loading it while nobody waits.

It is asked with the arm's own HTTP client, which has its address, its headers and its certificates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from hybrid_llm.dispatch.window import ASSUMED

_PATIENCE: Final = 2.0
"""Seconds that a server has to say something that it need not compute."""


class OllamaServer:
    """One model of an Ollama.

    Args:
        http: Returns the HTTP client, an ``httpx.Client``.
        model: The model's name.
    """

    def __init__(self, http: Callable[[], Any], model: str) -> None:
        self._http = http
        self._model = model

    def window(self, num_ctx: int | None = None) -> int:
        """Ask how many tokens the model reads.

        Never more than it was made for. Within that what its calls ask for, else what its Modelfile says, else the
        server's default. That one cannot be asked, and is taken to be 4,096.

        Args:
            num_ctx: What the calls ask for, if anything.

        Raises:
            Exception: Whatever the client raises when the server does not answer, or answers with something else.
        """
        shown = self._shown()
        told = num_ctx or _parameter(shown.get("parameters") or "", "num_ctx") or ASSUMED
        return min(told, _length(shown) or told)

    def length(self) -> int | None:
        """Ask how many tokens the model was made for; ``None`` when its description does not say.

        Raises:
            Exception: As :meth:`window`.
        """
        return _length(self._shown())

    def _shown(self) -> dict[str, Any]:
        return self._post("/api/show", {"model": self._model}, _PATIENCE)

    def _post(self, path: str, body: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        response = self._http().post(path, json=body, timeout=seconds)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer


def _length(shown: Mapping[str, Any]) -> int | None:
    about = shown.get("model_info") or {}
    return next((n for key, n in about.items() if key.endswith(".context_length") and isinstance(n, int)), None)


def _parameter(parameters: str, name: str) -> int | None:
    """Return a number of a Modelfile's parameters, which come as lines of a name and a value."""
    for line in parameters.splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdigit():
            return int(value)
    return None
