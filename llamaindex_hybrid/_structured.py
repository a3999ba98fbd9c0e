"""An LLM whose answers all have the form of a class, for query engines too."""

from __future__ import annotations

from typing import Any

from llama_index.core.bridge.pydantic import BaseModel
from llama_index.core.llms.structured_llm import StructuredLLM
from llama_index.core.prompts import BasePromptTemplate


class RoutedStructuredLLM(StructuredLLM):
    """Hands a template on as it is: once it is filled in, nobody tells the question from the documents."""

    def predict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """Answer a template with the JSON of an object."""
        return _json_of(self.llm.structured_predict(self.output_cls, prompt, **prompt_args))

    async def apredict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """Do what :meth:`predict` does."""
        made = await self.llm.astructured_predict(self.output_cls, prompt, **prompt_args)
        return _json_of(made)


def _json_of(made: object) -> str:
    if not isinstance(made, BaseModel):
        raise TypeError(f"The model gave no object of the form that was asked for, but a {type(made).__name__}.")
    return made.model_dump_json()
