"""Final answers, counted: right ones that do not match, wrong ones that do, and what agreement tells by itself."""

from __future__ import annotations

from itertools import combinations
from typing import Any, Final

import numpy as np

from benchmarks.second_look.data import MATHS, PLAIN, PRO, REFERENCE, Fits
from hybrid_llm.look import FinalAnswer, answer_of
from hybrid_llm.metrics import auc
from hybrid_llm.table import QualityTable, Response

TABLES: Final = (*MATHS, *PRO, *PLAIN)
COUNTS: Final = ("both right", "of these do not match", "one right, one wrong", "of these match")


def answers_study(fits: Fits) -> dict[str, Any]:
    """Count over all rows of each table, and all pairs of models, how final answers match."""
    return {name: _of_table(fits.tables.table((name,))) for name in TABLES if fits.tables.has((name,))}


def _of_table(table: QualityTable) -> dict[str, Any]:
    names = [name for name in table.models if name != REFERENCE and any(name in row for row in table.responses)]
    finals = {name: [_finals(row.get(name, ())) for row in table.responses] for name in names}
    grades = {name: [row.get(name, ()) for row in table.quality] for name in names}
    counts = dict.fromkeys(COUNTS, 0)
    asked = found = 0
    agreement: dict[str, float] = {}
    for name in names:
        asked += sum(len(row) for row in finals[name])
        found += sum(final is not None for row in finals[name] for final in row)
    for one, other in combinations(names, 2):
        columns = zip(finals[one], finals[other], grades[one], grades[other], strict=True)
        rows = [tuple(cell[0] for cell in row) for row in columns if all(map(len, row))]
        for mine, theirs, q_mine, q_theirs in rows:
            match = mine is not None and mine.agrees(theirs)
            if q_mine > 0.5 and q_theirs > 0.5:
                counts[COUNTS[0]] += 1
                counts[COUNTS[1]] += not match
            elif (q_mine > 0.5) != (q_theirs > 0.5):
                counts[COUNTS[2]] += 1
                counts[COUNTS[3]] += match
        for first, second, place in ((one, other, 2), (other, one, 3)):
            match_of = np.array([float(row[0] is not None and row[0].agrees(row[1])) for row in rows])
            agreement[f"{first}, checked by {second}"] = auc(match_of, np.array([row[place] > 0.5 for row in rows]))
    told = sorted(agreement.values())
    return {
        "rows": len(table),
        "models": len(names),
        "answers": asked,
        "found": found,
        **counts,
        "auc": agreement,
        "auc_least": told[0],
        "auc_median": float(np.median(told)),
        "auc_most": told[-1],
        **_against_references(table, names, finals, grades),
    }


def _against_references(table: QualityTable, names: list[str], finals: Any, grades: Any) -> dict[str, int]:
    """Count how final answers match the accepted texts, where a table has them."""
    counts = {"right": 0, "right, no match": 0, "wrong": 0, "wrong, match": 0}
    for row, accepted in enumerate(table.references):
        known = [FinalAnswer.of(text) for text in accepted]
        for name in names:
            for final, quality in zip(finals[name][row], grades[name][row], strict=False):
                if known:
                    match = final is not None and any(final.agrees(each) for each in known)
                    kind = "right" if quality > 0.5 else "wrong"
                    counts[kind] += 1
                    counts["right, no match"] += kind == "right" and not match
                    counts["wrong, match"] += kind == "wrong" and match
    return counts if counts["right"] else {}


def _finals(responses: tuple[Response, ...]) -> list[FinalAnswer | None]:
    answers = [answer_of(response) for response in responses]
    return [FinalAnswer.of(answer.text) if answer is not None else None for answer in answers]
