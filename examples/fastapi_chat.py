r"""A chat server: one router and one pair for all requests, answers streamed as they come, a journal beside it.

    pip install fastapi uvicorn
    python examples/fastapi_chat.py    # or: uvicorn --app-dir examples fastapi_chat:app --workers 4
    curl -N 127.0.0.1:8000/chat -H 'content-type: application/json' -d '{"messages": [["human", "Hi"]]}'

Both models are stand-ins until they are named: see `models.py`.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Body, FastAPI
from fastapi.responses import StreamingResponse
from langchain_core.language_models import FakeListChatModel

from hybrid_llm import Router
from hybrid_llm.observe import Journal, Log
from langchain_hybrid import ChatHybrid
from models import chat_models

small, large = chat_models(lambda text: FakeListChatModel(responses=[text], sleep=0.02))

# made once: all requests share the breaker, the cache of scores and the journal
journal = Journal(os.environ.get("JOURNAL", "traffic.sqlite"), keep_days=30)
llm = ChatHybrid(small, large, Router.load(), cost_advantage=0.3, small_timeout=20, observers=[journal, Log()])
app = FastAPI()


def event(**said: Any) -> str:
    """Write a server-sent event."""
    return f"data: {json.dumps(said)}\n\n"


@app.post("/chat")
async def chat(messages: Annotated[list[Any], Body(embed=True)]) -> StreamingResponse:
    """Answer a conversation: who answers, then the text as it comes, then the end."""
    chunks = llm.astream(messages)
    first = await anext(chunks)  # while nothing has been sent, an error is a status: both models are down

    async def events() -> AsyncIterator[str]:
        async with aclosing(chunks):  # a client that leaves ends the model's work
            yield event(**{key: first.response_metadata["hybrid"][key] for key in ("route", "reason", "certified")})
            yield event(text=first.text)
            async for chunk in chunks:
                if chunk.text:
                    yield event(text=chunk.text)
            yield event(done=True)  # an answer without it broke off

    return StreamingResponse(events(), media_type="text/event-stream")


@app.get("/health")
async def health() -> dict[str, bool]:
    """Say that the router scores."""
    return {"ready": len(await llm.router.ascore(["ready?"])) == 1}


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
