"""Twenty pairs of prompts of the same kind, the easy one first, so far apart that nobody would argue.

None of them is in any training set; a router that makes sense scores the first of each higher.
"""

from __future__ import annotations

from typing import Any, Final

from hybrid_llm import Router
from hybrid_llm.scoring import UNFAMILIAR

PAIRS: Final = (
    ("What is 17 + 26?", "Prove that there are infinitely many primes congruent to 3 modulo 4."),
    (
        "What is 12 times 8?",
        "Find the minimal polynomial of sqrt(2) + cbrt(3) over the rationals and prove that it is irreducible.",
    ),
    (
        "Write a one-line Python program that prints hello.",
        "Write a lock-free queue for many producers in C++ and argue from the memory model why no element is lost.",
    ),
    (
        "Write a SQL query that shows all rows of the table customers.",
        (
            "Write a SQL query that groups clicks into sessions with gaps of at most 30 minutes and gives each "
            "user's running median session length."
        ),
    ),
    (
        "Translate 'good morning, my friend' into Spanish.",
        (
            "Translate the first two stanzas of Poe's The Raven into Spanish verse that keeps metre, inner "
            "rhymes and the refrain."
        ),
    ),
    (
        "Fix the grammar: 'She go to school every day.'",
        (
            "Redraft this indemnity clause so that it survives assignment, excludes consequential loss, and "
            "stays consistent with a cap defined in another schedule."
        ),
    ),
    (
        "Write a one-line birthday wish for a colleague.",
        (
            "Write a villanelle about a closed railway line in which each refrain means something else every "
            "time it returns."
        ),
    ),
    (
        "What is the capital of Norway?",
        (
            "Weigh the historians' arguments on how far the Peace of Westphalia created sovereign states, naming "
            "who holds which view and on what sources."
        ),
    ),
    (
        "Which organ pumps the blood?",
        "A patient on warfarin starts fluconazole; how should dose and INR monitoring change, and why?",
    ),
    (
        "What does the HTTP status code 404 mean?",
        (
            "Our pods see connection resets only under load, with conntrack entries colliding after SNAT; how do "
            "I find the race and prove the cause?"
        ),
    ),
    (
        "Give me three synonyms for 'happy'.",
        (
            "Explain why scalar implicatures vanish under downward-entailing operators and construct a "
            "counterexample to the neo-Gricean account."
        ),
    ),
    (
        "At what temperature does water boil at sea level?",
        (
            "Derive the Clausius-Clapeyron relation from the chemical potentials and show where it fails near "
            "the critical point."
        ),
    ),
    (
        "Is a whale a mammal or a fish?",
        (
            "Explain how epistasis and assortative mating bias estimates of narrow-sense heritability from "
            "twins, with the algebra."
        ),
    ),
    (
        "How long do I boil an egg?",
        (
            "Plan a week of dinners for a dialysis patient with at most 600 mg potassium and 300 mg phosphate a "
            "meal, with quantities and a check of the sums."
        ),
    ),
    (
        "What does VAT stand for?",
        (
            "A French firm stores goods in Poland and sells through a marketplace to consumers in three EU "
            "states: who owes VAT where, and under which articles?"
        ),
    ),
    (
        "If all cats are animals, is my cat an animal?",
        (
            "Of twelve coins one is false, lighter or heavier: give three weighings fixed beforehand that find "
            "it, and prove that they suffice."
        ),
    ),
    (
        "Make a list of these: milk, eggs, bread.",
        (
            "Design a rota for 9 nurses and 3 shifts over 28 days with no more than four nights in a row and "
            "fair weekends, and show that no rule is broken."
        ),
    ),
    (
        "Write one sentence that thanks a customer.",
        (
            "Draft the letter in which a hospital explains a fatal dosing error to the family, honest but "
            "without admitting liability under German law."
        ),
    ),
    (
        "What day comes after Tuesday?",
        "Work out the weekday of 14 July 1789 in the Gregorian and the Julian calendar by hand, with every step.",
    ),
    (
        "Who wrote Romeo and Juliet?",
        (
            "Compare three critical readings of free indirect speech in Emma and argue from close passages which "
            "one the text bears out."
        ),
    ),
)


def on_pairs(router: Router) -> dict[str, Any]:
    """Say which pairs hold and which of their prompts are unfamiliar, as plain JSON values."""
    texts = [text for pair in PAIRS for text in pair]
    scores, familiarity = router.score(texts), router.familiarity(texts)
    margins = (scores[::2] - scores[1::2]).tolist()
    return {
        "n": len(PAIRS),
        "broken": [pair[0] for pair, margin in zip(PAIRS, margins, strict=True) if margin <= 0],
        "least": [PAIRS[margins.index(min(margins))][0], min(margins)],
        "unfamiliar": [text for text, share in zip(texts, familiarity, strict=True) if share < UNFAMILIAR],
    }
