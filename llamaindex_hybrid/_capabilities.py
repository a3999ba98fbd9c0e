"""What is known of an arm, and what both have in common."""

from __future__ import annotations

from typing import Any, Final, Literal

from llama_index.core.base.llms.types import LLMMetadata
from llama_index.core.constants import DEFAULT_CONTEXT_WINDOW
from llama_index.core.llms import LLM
from llama_index.core.llms.function_calling import FunctionCallingLLM

from hybrid_llm.decision import Decision, Route
from hybrid_llm.dispatch import (
    FUNCTION,
    Breaker,
    Capabilities,
    Failover,
    OllamaServer,
    Window,
    Within,
    as_an_arm,
    asked_in,
    is_outage,
)
from llamaindex_hybrid._answers import closes
from llamaindex_hybrid._place import asked_for_by, place_of
from llamaindex_hybrid._settings import dialect_of_llm

ContextPolicy = Literal["min", "large"]
Side = Route | Literal["checker"]
_PATIENCE: Final = 2.0
"""Seconds that a server has to say how long a context its model reads."""


class IsPair:
    """An LLM that is a pair of models itself."""

    small: LLM
    large: LLM

    def standing(self, within: Within) -> LLM:
        """Return a copy that stands within another pair, and shares what is known of outages."""
        raise NotImplementedError


class Arm:
    """One of the two models, or the one that answers are compared with, and what is known of it.

    Args:
        side: Which one.
        llm: The model.

    Raises:
        TypeError: It is no LlamaIndex LLM.
    """

    def __init__(self, side: Side, llm: LLM) -> None:
        if isinstance(llm, str):
            raise TypeError(f"{side}={llm!r} is a name; pass the LLM itself, such as Ollama(model={llm!r}).")
        if not isinstance(llm, LLM):
            raise TypeError(f"{side}= takes a LlamaIndex LLM, such as Ollama or OpenAILike; got {type(llm).__name__}.")
        self.side: Side = side
        self.llm = llm
        self._server = ollama_of(llm)
        self._asked_window = Window(self._ask_window) if self._server else None
        # an answer within the time, and after none a pause: that is what a failover with a breaker does
        self._asking = Failover(to_large=False, small_timeout=_PATIENCE, small=Breaker(failures=1))
        self._found: tuple[object, Capabilities] | None = None

    @property
    def is_pair(self) -> bool:
        """Whether it is a pair of models itself."""
        return isinstance(self.llm, IsPair)

    def standing(self, within: Within) -> Arm:
        """Return the arm, a pair, that knows where it stands."""
        assert isinstance(self.llm, IsPair)
        return Arm(self.side, self.llm.standing(within))

    @property
    def name(self) -> str:
        """The model's name, as far as it is known without a server."""
        for field in ("model", "model_name"):
            name = getattr(self.llm, field, None)
            if isinstance(name, str):
                return name
        return self.llm.class_name()

    @property
    def asks_for(self) -> str:
        """The model that its server is asked for where no call names another."""
        return asked_for_by(self.llm, self.name)

    @property
    def calls_functions(self) -> bool:
        """Whether tools can be given to it."""
        if not isinstance(self.llm, FunctionCallingLLM):
            return False
        known = self._known()
        return known.is_function_calling_model if known else self._guess("is_function_calling_model", False)

    @property
    def capabilities(self) -> Capabilities:
        """What it can serve, as far as that is known without asking a server; found again when the model says else."""
        known = self._known()
        if isinstance(self.llm, IsPair):
            return as_an_arm(Arm("small", self.llm.small).capabilities, Arm("large", self.llm.large).capabilities)
        says = self.name, known, self._own_window
        if self._found is None or self._found[0] != says:
            self._found = says, self._capabilities(known)
        return self._found[1]

    def _capabilities(self, known: LLMMetadata | None) -> Capabilities:
        kinds = frozenset({FUNCTION}) if self.side == "small" else None  # tools of a provider are for hosted models
        calls_functions = self.calls_functions
        return Capabilities(
            model=self.name,
            provider=self._provider,
            context_window=self._window(known),
            modalities=frozenset() if self.side == "small" else None,
            tools=kinds if calls_functions else frozenset(),
            forced_tool=self.side == "large" and calls_functions,
            structured=(calls_functions or _has_its_own(self.llm, "structured_predict")) and not self._completes_only,
            speaks=True,
            closes=closes(self.llm),
            no_logprobs=self._no_logprobs,
            wake=self._server.wake if self._server else None,
            place=place_of(self.llm, self._server),
            asked=self._asked_with,
        )

    @property
    def _provider(self) -> str:
        """The name of the integration that its class, or the nearest one below, is from."""
        modules = (base.__module__ for base in type(self.llm).__mro__)
        return next((module.split(".")[2] for module in modules if module.startswith("llama_index.llms.")), "")

    @property
    def _asked_with(self) -> dict[str, Any]:
        """How its own settings ask it; nothing of a class of neither family."""
        dialect = dialect_of_llm(self.llm)
        if dialect is None:
            return {}
        own = {name: getattr(self.llm, name, None) for name in ("temperature", "max_tokens", "thinking")}
        left = {"temperature": None, "max_tokens": None, **({"think": None} if dialect == "ollama" else {})}
        return {**left, **asked_in(getattr(self.llm, "additional_kwargs", None) or {}), **asked_in(own)}

    @property
    def _no_logprobs(self) -> str:
        """Why a second look sees no log-probabilities of it, and what to do."""
        if dialect_of_llm(self.llm) != "ollama":
            return ""
        root = str(getattr(self.llm, "base_url", "")).rstrip("/")
        return (
            "LlamaIndex's Ollama class drops them. Take OpenAILike on the same server, "
            f"OpenAILike(model={self.name!r}, api_base='{root}/v1', api_key='ollama', is_chat_model=True), "
            "with Ollama 0.12.11 or later; or train the look with a checker."
        )

    @property
    def _completes_only(self) -> bool:
        """Whether it only completes prompts, by OpenAI's old call, which knows no form of an answer."""
        return dialect_of_llm(self.llm) == "completions"

    def metadata(self) -> LLMMetadata:
        """Return the model's own metadata; a cautious guess when its server does not answer within two seconds."""
        known = self._known() or self._asked()
        return known or LLMMetadata(
            context_window=DEFAULT_CONTEXT_WINDOW,
            is_chat_model=self._guess("is_chat_model", True),
            is_function_calling_model=self._guess("is_function_calling_model", False),
            model_name=self.name,
        )

    def _window(self, known: LLMMetadata | None) -> int | Window | None:
        """Return the tokens that a prompt may have; of an Ollama that has not said so what it is asked for."""
        own = self._own_window
        if known is None:
            return own or self._asked_window
        return min(known.context_window, own or known.context_window) - max(known.num_output, 0)

    @property
    def _own_window(self) -> int | None:
        """The tokens that an Ollama is told to read."""
        return getattr(self.llm, "additional_kwargs", {}).get("num_ctx") if self._server else None

    def _ask_window(self) -> int:
        """Ask an Ollama for what its class asks for at its first call, in less time."""
        assert self._server is not None
        return self._server.length() or DEFAULT_CONTEXT_WINDOW

    def _known(self) -> LLMMetadata | None:
        if getattr(self.llm, "context_window", None) == -1:  # Ollama's word for: ask the server
            return None
        return self.llm.metadata

    def _asked(self) -> LLMMetadata | None:
        if not self._asking.breakers["small"].admit():
            return None
        try:
            return self._asking.call(Decision("small"), lambda _: self.llm.metadata)[0]
        except Exception as error:
            if not is_outage(error):
                raise
            return None

    def _guess(self, field: str, default: bool) -> bool:
        value: Any = getattr(self.llm, field, default)
        return value if isinstance(value, bool) else default


def _has_its_own(llm: LLM, method: str) -> bool:
    return next(base for base in type(llm).__mro__ if method in vars(base)) is not LLM


def merged_metadata(small: Arm, large: Arm, policy: ContextPolicy) -> LLMMetadata:
    """Return what callers may rely on, whichever arm answers.

    Tools are promised when one arm can call them: a request with tools goes to an arm that can.

    Args:
        small: The small arm.
        large: The large arm.
        policy: ``"min"``: prompts are cut to fit both arms; ``"large"``: they are cut to fit the large one, and those
            that small cannot read go there.
    """
    one, other = small.metadata(), large.metadata()
    return LLMMetadata(
        context_window=other.context_window if policy == "large" else min(one.context_window, other.context_window),
        num_output=max(one.num_output, other.num_output),
        is_chat_model=one.is_chat_model and other.is_chat_model,
        is_function_calling_model=small.calls_functions or large.calls_functions,
        model_name=f"hybrid({small.name}, {large.name})",
        system_role=other.system_role,
    )


def ollama_of(llm: LLM) -> OllamaServer | None:
    """Return the server of an ``Ollama``, by its name, to import no integration; ``None`` for any other model."""
    names = {(base.__module__, base.__name__) for base in type(llm).__mro__}
    if ("llama_index.llms.ollama.base", "Ollama") not in names:
        return None
    model: Any = llm

    def settings() -> dict[str, Any]:
        options = {name: value for name, value in model._model_kwargs.items() if value is not None}
        return {"options": options, **({} if model.keep_alive is None else {"keep_alive": model.keep_alive})}

    return OllamaServer(lambda: model.client._client, model.model, settings)
