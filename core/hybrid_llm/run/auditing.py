"""The folder of an audit: a pair folder of prompts that were drawn from traffic, with what traffic answered in it.

What is missing is asked and graded as in any pair folder: stored when it comes, never paid for twice, within a budget.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from hybrid_llm.certify import Audit, audit, percent
from hybrid_llm.collect import USUAL, PairFolder, Plan, Reply
from hybrid_llm.errors import PairFolderError
from hybrid_llm.table import Prompt

if TYPE_CHECKING:
    from hybrid_llm.collect import Setup
    from hybrid_llm.prices import Prices
    from hybrid_llm.run.drawing import Draw, Promise

_DRAWS: Final = "draws"
_SECRET: Final = "secret"  # noqa: S105 - the name of a note
_PROMISE: Final = "promise"


@dataclass(frozen=True)
class AuditOutcome:
    """What an audit came to.

    Args:
        audit: The test.
        promise: What was tested.
        ungraded: Requests that were drawn and have no grade.
        void_reason: Why the promise has ended; empty where it has not.
    """

    audit: Audit
    promise: Promise
    ungraded: int
    void_reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            **asdict(self.audit),
            "void_reason": self.void_reason,
            "quality": self.promise.quality,
            "max_drop": self.promise.max_drop,
            "confidence": self.promise.confidence,
            "ungraded": self.ungraded,
        }

    def explain(self) -> str:
        """Return it in sentences."""
        found, limit, sure = self.audit, percent(self.promise.max_drop), percent(self.promise.confidence)
        drop = "unknown" if found.drop is None else percent(found.drop)
        lines = {
            "holds": f"The promise holds: the drop is at most {limit}, with {sure} confidence.",
            "broken": f"The promise is broken: the drop is more than {limit}, with {sure} confidence.",
            "not_yet_known": f"It is not yet known whether the promise holds (a drop of at most {limit}).",
        }
        below = percent(found.drop_upper_bound)
        told = [lines[found.verdict], f"{found.audited:,} requests are audited: a drop of {drop}, and below {below}."]
        if found.needed_n:
            told.append(f"About {found.needed_n:,} in all may tell, if the next ones are like these.")
        elif found.verdict == "not_yet_known":
            told.append("How many it takes cannot be told yet.")
        if self.ungraded:
            told.append(f"{self.ungraded:,} more were drawn and are not graded; the same command tries these again.")
        return "\n".join(told)


def secret_of(folder: PairFolder, promise: Promise) -> str:
    """Return the secret that decides what is drawn, made at the first audit.

    Raises:
        PairFolderError: The folder holds something else, or audits of another promise.
    """
    known = folder.noted(_PROMISE)
    if known is None and folder.prompts():
        raise PairFolderError(f"{folder.path} is a pair folder, and no folder of audits; choose another --out.")
    if known not in (None, promise.id):
        raise PairFolderError(f"{folder.path} holds audits of another certificate; choose another --out.")
    folder.note(_PROMISE, promise.id)
    secret = folder.noted(_SECRET) or secrets.token_hex(16)
    folder.note(_SECRET, secret)
    return str(secret)


def begin_audit(folder: PairFolder, setup: Setup) -> None:
    """Say whom the folder asks: its models may have moved to other addresses since the last audit.

    Raises:
        PairFolderError: The folder holds audits of other models, or asked in another way.
    """
    known = folder.setup()
    if known is not None and known.settings != setup.settings and known_draws(folder):
        raise PairFolderError(
            f"{folder.path} holds audits that were asked with other settings (its run.json says which); use the same, "
            "or choose another --out and begin anew."
        )
    folder.begin(setup, force=True)


def known_draws(folder: PairFolder) -> set[str]:
    """Return the keys of what was drawn before."""
    return {one["key"] for one in folder.noted(_DRAWS) or ()}


def more_to_draw(folder: PairFolder, setup: Setup, sample: int) -> int:
    """Return how many requests to draw: fewer where some of the last ones still wait for answers.

    Older ones that wait are never answered, like a text that the server refuses. They must not end the drawing.
    """
    answered = folder.answered(setup)
    waiting = sum(
        any((one["prompt"], model.name, one["sample"]) not in answered for model in (setup.small, setup.large))
        for one in (folder.noted(_DRAWS) or [])[-sample:]
    )
    return max(0, sample - waiting)


def lay_in(folder: PairFolder, setup: Setup, draws: Sequence[Draw], references: Mapping[str, tuple[str, ...]]) -> None:
    """Put requests into the folder, with the answers that traffic has.

    Args:
        folder: That of the audit; it has begun.
        setup: Who is asked.
        draws: The requests.
        references: Accepted answers, by the text of the query.
    """
    folder.add_prompts(
        Prompt("traffic", one.query, {}, ({"role": "user", "content": one.query},), references.get(one.query, ()))
        for one in draws
    )
    ids = {prompt.query: prompt.id for prompt in folder.prompts()}
    known: list[dict[str, Any]] = folder.noted(_DRAWS) or []
    times = Counter(one["prompt"] for one in known)
    for one in draws:
        prompt = ids[one.query]
        for model, text in ((setup.small, one.small), (setup.large, one.large)):
            if text is not None:
                folder.store(setup, prompt, model, times[prompt], Reply(text, "stop"))
        known.append({"key": one.key, "prompt": prompt, "sample": times[prompt], "to_small": one.to_small})
        times[prompt] += 1
    folder.note(_DRAWS, known)  # last: what is not noted is drawn again


def plans_of_audit(folder: PairFolder, setup: Setup, prices: Prices) -> list[Plan]:
    """Return what is to be asked: of each request the arm that traffic has no answer of.

    Raises:
        ConfigError: The price of a model is unknown.
    """
    prompts = {prompt.id: prompt for prompt in folder.prompts()}
    answered, usual = folder.answered(setup), folder.usual_tokens(setup)
    draws = folder.noted(_DRAWS) or ()
    found = []
    for model in (setup.small, setup.large):
        todo = tuple(
            (prompts[one["prompt"]], one["sample"])
            for one in draws
            if (one["prompt"], model.name, one["sample"]) not in answered
        )
        if todo:
            price = prices.of(model.name, model.url, local=model.local)
            length = min(usual.get(model.name) or USUAL, setup.settings.max_tokens)
            found.append(Plan(model, price, todo, length, setup.settings))
    return found


def outcome_of(folder: PairFolder, setup: Setup, promise: Promise, grader: str) -> AuditOutcome:
    """Test the promise on all that was drawn and graded so far.

    Args:
        folder: That of the audit.
        setup: Who was asked.
        promise: What is tested.
        grader: The name under which the folder keeps the grades.
    """
    scores = {number: score for number, (score, _) in folder.grades(grader).items() if score is not None}
    graded = {(one.prompt, one.model, one.sample): scores[one.id] for one in folder.answers(setup) if one.id in scores}
    draws = folder.noted(_DRAWS) or ()
    rows = [row for one in draws if (row := _row(one, setup, graded)) is not None]
    columns: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else ((), (), ())
    found = audit(*columns, max_drop=promise.max_drop, confidence=promise.confidence)
    why = _why_void(found, promise) if found.verdict == "broken" else ""
    return AuditOutcome(found, promise, len(draws) - len(rows), why)


def _row(
    one: Mapping[str, Any], setup: Setup, graded: Mapping[tuple[str, str, int], float]
) -> tuple[bool, float, float] | None:
    """Return (to small, its quality, large's); ``None`` where a grade is missing that counts."""
    small, large = (graded.get((one["prompt"], model.name, one["sample"])) for model in (setup.small, setup.large))
    if large is None or (one["to_small"] and small is None):
        return None
    return one["to_small"], small if small is not None else 0.0, large


def _why_void(found: Audit, promise: Promise) -> str:
    today, limit, sure = datetime.now(UTC).date().isoformat(), percent(promise.max_drop), percent(promise.confidence)
    return (
        f"An audit of {found.audited:,} requests found on {today} that the drop is more than {limit}, about "
        f"{percent(found.drop or 0.0)}, with {sure} confidence."
    )
