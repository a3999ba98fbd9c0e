"""``hybrid-llm audit``: what it draws, asks and says, and what a broken promise leaves behind."""

from __future__ import annotations

import json
import re
import sqlite3
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hybrid_llm import Decision, Level, Router
from hybrid_llm.certify import Certificate, Menu, Provenance
from hybrid_llm.decision import Look
from hybrid_llm.errors import HybridLLMWarning
from hybrid_llm.event import Attempt, RequestEvent
from hybrid_llm.observe import Recorded
from hybrid_llm.observe import store as journal_store
from tests.cli.conftest import run, write_rows
from tests.collect.stub_server import Stub, stub_server

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]

SHOWN = re.compile(r"<<<(first|second) \w+>>>\n(.*?)\n<<<end", re.DOTALL)
KEYS = {"verdict", "audited", "drop", "drop_upper_bound", "needed_n", "void_reason"}


def says(text: str) -> str:
    """Answer as the large model, or judge: "right" is worth 1, anything else nothing."""
    found = SHOWN.findall(text)
    return json.dumps({place: 10 * (answer == "right") for place, answer in found}) if found else "right"


@pytest.fixture
def server() -> Iterator[Stub]:
    with stub_server(says=says, models={"little": {}}) as stub:
        yield stub


@pytest.fixture
def certified(trained: Path, tmp_path: Path) -> Path:
    """A router folder that promises a drop of at most 10 %."""
    router = Router.load(trained)
    proof = Certificate(True, 0.5, 0.6, 0.1, 0.95, 900, 0.05, 0.05, 0.08, 0.9, 0.95)
    menu = Menu((proof,), 0.1, Provenance("small", "large", "exact", router_id=router.id))
    router.override(certificate=menu).save(tmp_path / "router")
    return tmp_path / "router"


def recorded(router: Path, n: int, answer: str = "right", *, first: int = 0, **fields: Any) -> list[Recorded]:
    """Return n requests: three of four went to small, whose answer this is."""
    made_by = json.loads((router / "router.json").read_text())["id"]
    asked = Decision("small", 0.8, 0.5, Level("quality", 0.9), certified=True, router_id=made_by)
    rows = []
    for number in range(first, first + n):
        route = "large" if number % 4 == 3 else "small"
        model, text = ("little", answer) if route == "small" else ("big", "right")
        provider = "ollama" if route == "small" else "openai"
        attempt = Attempt(route, model, 0.1, kept=True, provider=provider, text=text)
        known = {"decision": asked.override(route=route), "query": f"question {number}", **fields}
        event = RequestEvent(known.pop("decision"), (attempt,), 0.1, "invoke", f"{number:016}", **known)
        rows.append(Recorded(time.time() - 1000 + number, event))
    return rows


def journal_of(path: Path, rows: list[Recorded], *, texts: bool = True) -> Path:
    journal_store.prepare(path)
    journal_store.write(path, rows, texts=texts, lost=0, oldest=None)
    return path


def options(server: Stub, router: Path) -> list[object]:
    arms = ("--large", server.openai("big"), "--small", server.ollama("little"))
    return ["--router", router, *arms, "--grader", f"judge:{server.openai('judge')}"]


@pytest.mark.slow
def test_a_promise_that_is_kept_is_found_to_hold_over_several_audits(
    server: Stub, certified: Path, tmp_path: Path
) -> None:
    journal = journal_of(tmp_path / "traffic.sqlite", recorded(certified, 120))
    accepted = write_rows(
        tmp_path / "accepted.jsonl", [{"query": f"question {n}", "reference": "right"} for n in range(120)]
    )
    arguments = ("audit", journal, *options(server, certified)[:-1], "exact", "--references", accepted, "--json")
    first = run(*arguments, "--sample", 10)
    assert first.code == 0, first.err
    assert first.json.keys() >= KEYS
    assert (first.json["verdict"], first.json["audited"], first.json["drop"]) == ("not_yet_known", 10, 0.0)
    assert first.json["needed_n"] > 10
    asked = len(server.asked)
    second = run(*arguments, "--sample", 70)
    assert (second.json["verdict"], second.json["audited"], second.json["void_reason"]) == ("holds", 80, "")
    assert second.json["drop_upper_bound"] <= 0.1
    assert len(server.asked) > asked
    assert Router.load(certified).decide("anything at all?", quality=0.9).certified


def test_a_broken_promise_voids_the_certificate_and_decisions_say_so(
    server: Stub, certified: Path, tmp_path: Path
) -> None:
    journal = journal_of(tmp_path / "traffic.sqlite", recorded(certified, 30, "wrong"))
    shown = run("audit", journal, *options(server, certified), "--sample", 12)
    assert shown.code == 0, shown.err
    assert "The promise is broken" in shown.out
    assert "is void now: An audit of 12 requests found" in shown.err
    router = Router.load(certified)
    assert router.certificate is not None
    assert "An audit of 12 requests" in router.certificate.provenance.void_reason
    with pytest.warns(HybridLLMWarning, match="is void: An audit of 12 requests"):
        decision = router.decide("anything at all?", quality=0.9)
    assert not decision.certified
    assert decision.void_reason == router.certificate.provenance.void_reason
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert router.decide("once is enough", quality=0.9).void_reason == decision.void_reason
    again = run("audit", journal, *options(server, certified))
    assert (again.code, "certificate is void: An audit" in again.err) == (1, True)


def test_only_the_missing_arm_is_asked_and_nothing_twice(server: Stub, certified: Path, tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "traffic.sqlite", recorded(certified, 60))
    accepted = write_rows(
        tmp_path / "accepted.jsonl", [{"query": f"question {n}", "reference": "right"} for n in range(60)]
    )
    arguments = (
        "audit",
        journal,
        "--router",
        certified,
        "--large",
        server.openai(),
        "--small",
        server.ollama("little"),
    )
    exact = ("--grader", "exact", "--references", accepted, "--json")
    assert run(*arguments, *exact, "--sample", 20).json["audited"] == 20
    asked = [(body["model"], body["messages"][-1]["content"]) for body in server.asked]
    questions = [(model, text) for model, text in asked if text.startswith("question")]
    assert len(questions) == 20
    assert {model for model, text in questions if int(text.split()[1]) % 4 == 3} <= {"little"}
    assert {model for model, text in questions if int(text.split()[1]) % 4 != 3} == {"big"}
    before = len(server.asked)
    assert run(*arguments, *exact, "--sample", 0).json["audited"] == 20
    assert len(server.asked) == before


def test_other_requests_are_left_out_and_counted(server: Stub, certified: Path, tmp_path: Path) -> None:
    ours = recorded(certified, 1)[0].event.decision
    rows = [
        *recorded(certified, 8),
        *recorded(certified, 2, first=8, decision=ours.override(private=True, certified=False)),
        *recorded(certified, 2, first=10, decision=ours.override(certified=False)),
        *recorded(certified, 2, first=12, decision=ours.override(router_id="another")),
        *recorded(certified, 2, first=14, turns=1),
        *recorded(certified, 4, first=16, decision=ours.override(reason="shadow", shadow=ours.override(look=Look()))),
    ]
    journal = journal_of(tmp_path / "traffic.sqlite", rows)
    shown = run("audit", journal, *options(server, certified), "--sample", 50, "--json")
    assert (shown.json["of"], sum(shown.json["left_out"].values())) == (8, 12)
    assert "warning: the certificate was measured by exact, and this audit by judge:" in shown.err
    assert "warning: the certificate is about large, and --large is big." in shown.err
    assert "are drawn from 8;" in shown.err
    assert "2 are left out: private." in shown.err
    assert "4 are left out: decided by another router" in shown.err
    assert "2 are left out: inside conversations" in shown.err
    assert "are left out: in shadow, where small was not asked" in shown.err


def test_in_shadow_it_is_the_decision_that_would_have_been_followed_that_is_audited(
    server: Stub, certified: Path, tmp_path: Path
) -> None:
    rows = []
    for one in recorded(certified, 15):
        decided = one.event.decision.override(route="small")
        shadow = decided.override(route="large", reason="shadow", certified=False, shadow=decided)
        attempt = Attempt("large", "big", 0.1, kept=True, text="right")
        rows.append(replace(one, event=replace(one.event, decision=shadow, attempts=(attempt,))))
    server.says = lambda text: says(text) if "<<<" in text else "wrong"
    journal = journal_of(tmp_path / "traffic.sqlite", rows)
    assert run("audit", journal, *options(server, certified), "--sample", 12, "--json").json["verdict"] == "broken"


def test_what_small_answered_in_shadow_is_graded_and_not_asked_again(
    server: Stub, certified: Path, tmp_path: Path
) -> None:
    rows = []
    for one in recorded(certified, 15):
        kept = one.event.decision.override(route="small", reason="kept", look=Look(0.9, 0.8))
        shadow = kept.override(route="large", reason="shadow", certified=False, look=None, shadow=kept)
        small, large = (
            Attempt("small", "little", 0.1, kept=False, text="wrong"),
            Attempt("large", "big", 0.1, kept=True, text="right"),
        )
        rows.append(replace(one, event=replace(one.event, decision=shadow, attempts=(large, small))))
    journal = journal_of(tmp_path / "traffic.sqlite", rows)
    assert run("audit", journal, *options(server, certified), "--sample", 12, "--json").json["verdict"] == "broken"
    assert {asked["model"] for asked in server.asked} == {"judge"}


def test_other_weights_of_the_small_model_void_the_certificate(server: Stub, certified: Path, tmp_path: Path) -> None:
    router = Router.load(certified)
    assert router.record is not None
    known = replace(router.record, fingerprint={"weights of little": "sha-older"})
    router.override(record=known).save(certified)
    journal = journal_of(tmp_path / "traffic.sqlite", recorded(certified, 40))
    shown = run("audit", journal, *options(server, certified), "--sample", 10, "--json")
    assert "little has other weights than it was certified with (sha-little)" in shown.json["void_reason"]
    assert Router.load(certified).certificate.provenance.void  # type: ignore[union-attr]


def test_an_audit_that_was_stopped_goes_on_and_draws_no_more_than_was_asked(
    server: Stub, certified: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybrid_llm.collect.clients.TRIES", 1)
    monkeypatch.setattr("hybrid_llm.collect.clients.HOSTED_RETRIES", 0)
    journal = journal_of(tmp_path / "traffic.sqlite", recorded(certified, 30))
    server.says = lambda text: (500, {"error": "down"}) if text.startswith("question") else says(text)
    stopped = run("audit", journal, *options(server, certified), "--sample", 10)
    assert stopped.code == 1
    server.says = says
    done = run("audit", journal, *options(server, certified), "--sample", 10, "--json")
    assert (done.code, done.json["audited"], done.json["ungraded"]) == (0, 10, 0)


def test_audits_go_on_where_a_model_has_moved_and_not_where_it_is_asked_in_another_way(
    server: Stub, certified: Path, tmp_path: Path
) -> None:
    journal = journal_of(tmp_path / "traffic.sqlite", recorded(certified, 30))
    assert run("audit", journal, *options(server, certified), "--sample", 2).code == 0
    later = [*options(server, certified), "--small", "ollama:little@http://127.0.0.1:9", "--sample", 0, "--json"]
    moved = run("audit", journal, *later)
    assert (moved.code, moved.json["audited"]) == (0, 2), moved.err
    other = run("audit", journal, *later, "--temperature", 0.7)
    assert other.code == 1
    assert "use the same, or choose another --out" in other.err


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"texts": False}, 1, "no texts of them: keep them with Journal(FILE, texts=True)"),
        ({"rows": []}, 1, "no request that this router decided at quality level 0.9"),
        ({"quality": 0.99}, 1, "Nothing is promised at quality level 0.99; there is 0.9."),
        ({"router": "trained"}, 1, "no certificate, so there is no promise to audit"),
        ({"version": 9}, 1, "is a journal of format 9"),
        ({"grader": "exact"}, 2, "add --references PROMPTS"),
        ({"days": 0}, 2, "--days"),
    ],
)
def test_what_cannot_be_audited_is_said_in_a_line_or_two(
    server: Stub, certified: Path, trained: Path, tmp_path: Path, change: dict[str, Any], code: int, says: str
) -> None:
    journal = journal_of(
        tmp_path / "traffic.sqlite", change.get("rows", recorded(certified, 9)), texts=change.get("texts", True)
    )
    if "version" in change:
        with sqlite3.connect(journal) as db:
            db.execute(f"PRAGMA user_version={change['version']}")
    given = options(server, trained if "router" in change else certified)
    for name in ("quality", "grader", "days"):
        given += [f"--{name}", change[name]] if name in change else []
    shown = run("audit", journal, *given)
    assert (shown.code, shown.out) == (code, ""), shown.err
    assert says in shown.err
    assert len(shown.err.splitlines()) <= 2
    assert not server.asked
