"""Savings and an audit on two real models: the totals are the servers' own, and the drop is the one worked out here."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from hybrid_llm import QualityTable, Router
from hybrid_llm.certify import Certificate, Menu, Provenance
from hybrid_llm.observe import Journal
from hybrid_llm.scoring import Encoder
from hybrid_llm.training import train
from langchain_hybrid import ChatHybrid
from tests.cli.conftest import run, write_rows
from tests.small_table import make_rows

pytestmark = [
    pytest.mark.live,
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
REAL: Final = {"real-small": os.environ.get("SPORT", "18082"), "real-large": os.environ.get("BPORT", "18083")}
MOST: Final = 6
"""Tokens of an answer: the models here are slow."""
IN, OUT = 2.5, 10.0
QUERIES: Final = [row["query"] for row in make_rows(6, seed=7)]


def url(model: str) -> str:
    return f"http://127.0.0.1:{REAL[model]}/v1"


def counted(model: str, query: str) -> tuple[str, int, int]:
    """Return what a server itself says to a query, and the tokens that it counts."""
    body = {"messages": [{"role": "user", "content": query}], "temperature": 0, "max_tokens": MOST}
    said = httpx.post(f"{url(model)}/chat/completions", json=body, timeout=300).json()
    usage = said["usage"]
    return said["choices"][0]["message"]["content"], usage["prompt_tokens"], usage["completion_tokens"]


@pytest.fixture(scope="module")
def own() -> dict[str, dict[str, tuple[str, int, int]]]:
    """What the servers say and count when nobody stands between."""
    try:
        return {model: {query: counted(model, query) for query in QUERIES} for model in REAL}
    except httpx.TransportError:
        pytest.skip("the real models need setup-real and start-real")


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A router folder that promises a drop of at most 10 %; half of the queries score high enough for small."""
    made = train(QualityTable.from_rows(make_rows()), small="small", large="large", data="made", encoder=Encoder.load())
    middle = float(sorted(made.score(QUERIES))[len(QUERIES) // 2])
    proof = Certificate(True, middle, 0.6, 0.1, 0.95, 900, 0.05, 0.05, 0.08, 0.9, 0.95)
    menu = Menu((proof,), 0.1, Provenance("real-small", "real-large", "exact", router_id=made.id))
    assert made.record is not None
    record = replace(made.record, small="real-small", large="real-large")
    folder = tmp_path_factory.mktemp("router") / "router"
    made.override(certificate=menu, calibration=None, record=record).save(folder)
    return folder


@pytest.fixture(scope="module")
def traffic(own: Any, router: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A journal of all queries, and where each went."""
    from langchain_openai import ChatOpenAI

    def model(name: str) -> Any:
        asked = {"base_url": url(name), "api_key": "none", "temperature": 0, "max_retries": 2}
        return ChatOpenAI(model=name, extra_body={"max_tokens": MOST}, **asked)

    journal = Journal(tmp_path_factory.mktemp("traffic") / "traffic.sqlite", texts=True)
    llm = ChatHybrid(
        model("real-small"),
        model("real-large"),
        Router.load(router),
        quality=0.9,
        observers=[journal],
        prices={"real-large": (IN, OUT)},
    )
    routes = {query: llm.invoke(query).response_metadata["hybrid"]["route"] for query in QUERIES}
    strict = ChatHybrid(
        llm.small,
        llm.large,
        llm.router,
        quality=0.9,
        observers=[journal],
        check=lambda query, text: False,  # so that both models answer
        prices={"real-large": (IN, OUT)},
    )
    first = next(query for query, route in routes.items() if route == "small")
    assert strict.invoke(first).response_metadata["hybrid"]["reason"] == "rejected"
    assert journal.flush()
    return journal.path, routes | {"both": first}


def test_the_totals_are_the_servers_own(own: Any, traffic: tuple[Path, dict[str, str]]) -> None:
    path, routes = traffic
    both = routes["both"]
    calls = {
        arm: [own[f"real-{arm}"][query] for query in QUERIES if routes[query] == arm] + [own[f"real-{arm}"][both]]
        for arm in ("small", "large")
    }
    assert min(map(len, calls.values())) > 1
    found = run("savings", path, "--json").json
    assert found["requests"] == len(QUERIES) + 1
    for model in found["by_model"]:
        mine = calls[model["route"]]
        assert (model["calls"], model["input_tokens"], model["output_tokens"]) == (
            len(mine),
            sum(read for _, read, _ in mine),
            sum(written for _, _, written in mine),
        )
    dollars = [(IN * read + OUT * written) / 1e6 for _, read, written in calls["large"]]
    assert found["paid_usd"] == pytest.approx(sum(dollars))
    shown = len(calls["small"]) - 1
    assert found["always_large_usd"][0] == pytest.approx(sum(dollars) * (1 + shown / len(dollars)))
    assert found["extra"]["escalated"]["requests"] == found["extra"]["both_run"]["requests"] == 1
    assert found["extra"]["escalated"]["usd"] == pytest.approx(dollars[-1])
    assert found["both_run"] == pytest.approx(1 / (len(QUERIES) + 1))


def test_an_audit_asks_the_missing_arm_and_finds_the_drop(
    own: Any, router: Path, traffic: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    path, routes = traffic
    accepted = [{"query": query, "reference": own["real-large"][query][0]} for query in QUERIES]
    shown = run(
        *("audit", path, "--router", router, "--sample", 50, "--grader", "exact", "--json", "--yes"),
        *("--references", write_rows(tmp_path / "accepted.jsonl", accepted), "--price", f"real-large={IN}:{OUT}"),
        *("--small", f"openai:real-small@{url('real-small')}", "--large", f"openai:real-large@{url('real-large')}"),
        *("--temperature", 0, "--max-tokens", MOST, "--out", tmp_path / "audit"),
    )
    assert shown.code == 0, shown.err
    said = json.loads(shown.out)
    assert said["verdict"] in ("broken", "not_yet_known")
    assert said["ungraded"] == 0
    to_small = [query for query in QUERIES if routes[query] == "small"]
    assert len(to_small) <= said["audited"] <= len(QUERIES) + 1  # those of large are drawn more rarely
    same = sum(own["real-small"][query][0] == own["real-large"][query][0] for query in to_small)
    lost, large = len(to_small) - same, said["audited"] - len(to_small)
    assert said["drop"] == pytest.approx(lost / (len(to_small) + 4 * large))
    assert bool(said["void_reason"]) == (said["verdict"] == "broken")
    assert bool(Router.load(router).certificate.provenance.void_reason) == (said["verdict"] == "broken")  # type: ignore[union-attr]
