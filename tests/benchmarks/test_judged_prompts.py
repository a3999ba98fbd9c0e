"""Judged prompts: what the files hold, and what they teach the shipped router."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from hybrid_llm.scoring import UNFAMILIAR, Encoded
from hybrid_llm.table import hash64, normal_text
from tools.shipped_router.fit import SHIPPED, Problem, fit_shipped, targets
from tools.shipped_router.judged import (
    APART,
    Prompt,
    combined,
    everyday_material,
    read_everyday,
    read_judged_training,
)
from tools.shipped_router.judged_study import BEFORE, LENGTH, agreement, everyday_figures
from tools.shipped_router.rows import FOLDS, LARGE_MODELS, SMALL_MODELS, Answered, Material

TINY = replace(SHIPPED, landmarks=100, judged_weight=8.0, judged_gap=1.0)


class WordEncoder:
    """Stands in for the shipped encoder: the mean of a random vector for each word."""

    id, sha256, dim, shipped, path = "words", "0" * 64, 24, False, None

    def encode(self, queries):
        vectors = [
            np.mean([np.random.default_rng(hash64(word)).normal(size=self.dim) for word in query.split()], axis=0)
            for query in queries
        ]
        embeddings = np.array(vectors, dtype=np.float32)
        return Encoded(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), np.zeros(len(queries), bool))


def measured(n: int = 300) -> list[Answered]:
    """Questions of which one word says how hard they are, and it is none of the everyday ones."""
    rng = np.random.default_rng(0)
    return [
        Answered(
            "quiz",
            f"quiz/{number}",
            f"{'heavy' if number % 2 else 'light'} question number {number}",
            f"quiz {number}",
            "validation" if number % 5 == 0 else "train",
            {SMALL_MODELS[0]: float(rng.random() < (0.2 if number % 2 else 0.8)), LARGE_MODELS[0]: 1.0},
        )
        for number in range(n)
    ]


def prompts(n: int = 300) -> list[Prompt]:
    """Prompts of ten domains, of which those with "prove" were judged hard."""
    words = ("greet", 0.9), ("prove", 0.2)
    return [
        Prompt(f"p{k}", f"{words[k % 2][0]} them in case {k}", f"domain {k // 2 % 10}", "en", (words[k % 2][1],) * 2)
        for k in range(n)
    ]


def test_there_are_over_four_thousand_everyday_prompts_four_hundred_of_them_in_ten_other_languages():
    found = read_everyday()
    languages = Counter(prompt.language for prompt in found)
    assert len(found) >= 4000
    assert len({prompt.id for prompt in found}) == len({normal_text(prompt.query) for prompt in found}) == len(found)
    assert len({prompt.domain for prompt in found}) == 27
    assert len(languages) == 11
    assert len(found) - languages["en"] >= 400


def test_each_was_judged_twice_and_a_third_time_where_the_two_were_far_apart():
    judged = [prompt.judgements for prompt in read_everyday()] + list(read_judged_training().values())
    for each in judged:
        assert all(0 <= one <= 1 for one in each)
        assert len(each) == (3 if abs(each[0] - each[1]) > APART else 2)


def test_a_third_judgement_outvotes_the_odd_one():
    assert combined((0.9, 0.3, 0.8)) == 0.8
    assert combined((0.9, 0.7)) == pytest.approx(0.8)


def test_a_domain_lies_in_one_fold():
    some = prompts()
    folds = everyday_material(some, WordEncoder()).folds
    pairs = {(prompt.domain, int(fold)) for prompt, fold in zip(some, folds, strict=True)}
    assert len(pairs) == len({domain for domain, _ in pairs})
    assert set(folds) == set(range(FOLDS))


@pytest.mark.slow
def test_the_score_learns_from_judged_prompts_what_no_measured_row_says():
    with_them = fit_shipped(measured(), WordEncoder(), variant=TINY, prompts=prompts())
    without = fit_shipped(measured(), WordEncoder(), variant=TINY, prompts=())
    easy, hard = with_them.score(["greet them in case 1000", "prove them in case 1000"])
    assert easy > hard + 0.05
    assert np.ptp(without.score(["greet them in case 1000", "prove them in case 1000"])) < easy - hard
    assert "300 everyday prompts that a language model judged" in with_them.record.data
    assert with_them.record.data_hash != without.record.data_hash


@pytest.mark.slow
def test_a_prompt_like_those_in_another_language_is_unfamiliar_though_they_train():
    german = [Prompt(f"d{k}", f"begrüsse sie im Fall {k}", f"domain {k % 10}", "de", (0.5, 0.5)) for k in range(60)]
    router = fit_shipped(measured(), WordEncoder(), variant=TINY, prompts=[*prompts(), *german])
    theirs, ours = router.familiarity(["begrüsse sie im Fall 1000", "greet them in case 1000"])
    assert theirs == 0
    assert ours > UNFAMILIAR
    assert router.scorer.head.familiarity.strangers == round(TINY.strange_landmarks * TINY.landmarks)


@pytest.mark.slow
def test_judged_prompts_of_no_weight_take_no_part():
    nothing = replace(TINY, judged_weight=0.0)
    with_them, without = (
        fit_shipped(measured(), WordEncoder(), variant=nothing, prompts=some) for some in (prompts(), ())
    )
    assert with_them.id == without.id


def test_a_held_out_domain_is_scored_by_the_others():
    material = Material.of([row for row in measured() if row.split == "train"], WordEncoder())
    whole = material.beside(everyday_material(prompts(), WordEncoder()))
    changed = whole.judged & (whole.folds == 2)
    other = replace(whole, labels=np.where(changed, 1 - whole.labels, whole.labels))
    before, after = (Problem(some, targets(some, [TINY]), [TINY]).left_out() for some in (whole, other))
    assert np.allclose(before[changed], after[changed])
    assert not np.allclose(before[whole.folds == 1], after[whole.folds == 1])


def test_everyday_figures_tell_a_good_order_from_length():
    some = [replace(p, query=p.query + " and so on" * (k % 3)) for k, p in enumerate(prompts())]
    right = np.array([prompt.probability for prompt in some])
    found = everyday_figures(some, {BEFORE: right}, repetitions=5)
    assert found[BEFORE]["auc"]["value"] == found[BEFORE]["within lengths"]["value"] == 1
    assert found[BEFORE]["rank correlation"]["value"] == pytest.approx(1)
    assert found[LENGTH]["auc"]["value"] < 0.7


def test_agreement_counts_what_asked_for_a_third():
    some = [replace(p, judgements=(0.2, 0.9, 0.8)) if k < 3 else p for k, p in enumerate(prompts())]
    found = agreement(some, {"quiz/1": (0.5, 0.5), "quiz/2": (0.2, 0.3)})
    assert found["everyday"]["third"] == 3
    assert found["training"]["n"] == 2
