"""An Ollama beside its chat: what its model reads, and loading it while nobody waits.

It is asked with the arm's own HTTP client, which has its address, its headers and its certificates.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from hybrid_llm.dispatch.window import ASSUMED

_PATIENCE: Final = 2.0
"""Seconds that a server has to say something that it need not compute."""
_LOADING: Final = 600.0
"""Seconds that a model may take to load."""
_MOMENT: Final = 0.2
"""Seconds in which a server stops a load that nobody waits for any more."""
_TRIES: Final = 5
_KEPT: Final = 240.0
"""Seconds after which a loaded model that nobody used may be gone: a little less than a server keeps one."""


class OllamaServer:
    """One model of an Ollama.

    Args:
        http: Returns the HTTP client, an ``httpx.Client``.
        model: The model's name.
        settings: Returns the options and the ``keep_alive`` of its calls: other ones would have it loaded again.
        root: The server's address, where the client has another one.
    """

    def __init__(
        self,
        http: Callable[[], Any],
        model: str,
        settings: Callable[[], Mapping[str, Any]] = dict[str, Any],
        root: str = "",
    ) -> None:
        self._http = http
        self._model = model
        self._settings = settings
        self._root = root
        self._lock = threading.Lock()
        self._asked_by: list[Callable[[], object]] = []  # calls that wait for a word on whether it is there
        self._loading = False
        self._loaded_at = float("-inf")

    def window(self, num_ctx: int | None = None) -> int:
        """Ask how many tokens the model reads.

        Never more than it was made for. Within that what its calls ask for, else what its Modelfile says, else the
        server's default. That one cannot be asked, and is taken to be 4,096.

        Args:
            num_ctx: What the calls ask for, if anything.

        Raises:
            Exception: Whatever the client raises when the server does not answer, or answers with something else.
        """
        return window_of(self._shown(), num_ctx)

    def length(self) -> int | None:
        """Ask how many tokens the model was made for; ``None`` when its description does not say.

        Raises:
            Exception: As :meth:`window`.
        """
        return _length(self._shown())

    def shown(self) -> dict[str, Any]:
        """Ask what ``/api/show`` says of the model.

        Raises:
            Exception: As :meth:`window`.
        """
        return self._shown()

    def digest(self) -> str | None:
        """Ask which weights the model has; ``None`` where the server lists no such model.

        Raises:
            Exception: As :meth:`window`.
        """
        names = {self._model, f"{self._model}:latest"}
        listed = self._get("/api/tags").get("models") or ()
        return next((str(one["digest"]) for one in listed if one.get("name") in names and one.get("digest")), None)

    def wake(self, failed: Callable[[], object]) -> None:
        """Have the model loaded in the background, after a call that gave up on it.

        An Ollama stops loading when the last client that waits for it leaves. This one stays, and one is enough.

        Args:
            failed: Called from there when the call was given up on for another reason: the server does not answer, it
                cannot load the model, or it has it loaded already and was slow.
        """
        with self._lock:
            self._asked_by.append(failed)
            if len(self._asked_by) > 1:
                return  # one is asking the server already, for all
        threading.Thread(target=self._wake, daemon=True, name="hybrid-llm-wake").start()

    def _wake(self) -> None:
        lost = False
        try:
            self._get("/api/version")
        except Exception:  # noqa: BLE001 - whatever went wrong there, it is the arm's failure
            lost = True
        with self._lock:
            asked_by, self._asked_by = self._asked_by, []
            loads = not lost and not self._loading
            self._loading = self._loading or loads
            lost = lost or time.monotonic() < self._loaded_at + _KEPT
        if loads:
            lost = not self._loads() or lost
        if lost:
            for failed in asked_by:
                failed()

    def _loads(self) -> bool:
        """Load the model; return whether that went well."""
        try:
            self._load()
        except Exception:  # noqa: BLE001 - as above
            return False
        else:
            self._loaded_at = time.monotonic()
            return True
        finally:
            self._loading = False

    def _load(self) -> None:
        """Load the model, again when it is gone a moment later: with the load that the call gave up on."""
        for _ in range(_TRIES):
            self._post("/api/generate", {"model": self._model, "stream": False, **self._settings()}, _LOADING)
            time.sleep(_MOMENT)
            loaded = {model.get("name") for model in self._get("/api/ps").get("models") or ()}
            if loaded & {self._model, f"{self._model}:latest"}:
                return
        raise TimeoutError(f"The server does not keep {self._model!r} loaded.")

    def __deepcopy__(self, memo: object) -> OllamaServer:
        """Return the server itself: copies of a model talk to the same one."""
        return self

    def _shown(self) -> dict[str, Any]:
        return self._post("/api/show", {"model": self._model}, _PATIENCE)

    def _get(self, path: str) -> dict[str, Any]:
        return _read(self._http().get(self._root + path, timeout=_PATIENCE))

    def _post(self, path: str, body: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        return _read(self._http().post(self._root + path, json=body, timeout=seconds))


def window_of(shown: Mapping[str, Any], num_ctx: int | None = None) -> int:
    """Return how many tokens a model reads, by what ``/api/show`` says of it; see :meth:`OllamaServer.window`."""
    told = num_ctx or _parameter(shown.get("parameters") or "", "num_ctx") or ASSUMED
    return min(told, _length(shown) or told)


def remote_host_of(shown: Mapping[str, Any]) -> str | None:
    """Return whom a server hands the calls of a model on to, by what it says of the model; ``None`` for one it runs.

    Example:
        >>> remote_host_of({"remote_model": "gpt-oss:120b", "remote_host": "https://ollama.com:443"})
        'https://ollama.com:443'
    """
    host = shown.get("remote_host") or (shown.get("remote_model") and "another server")
    return str(host) if host else None


def _read(response: Any) -> dict[str, Any]:
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
