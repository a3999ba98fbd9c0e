"""The queries of ``hybrid-llm demo``, written for it: from small talk to a proof."""

from __future__ import annotations

from typing import Final

QUERIES: Final = (
    "Hi there! How are you today?",
    "What is the capital of Portugal?",
    "How much is 17 plus 26?",
    "How do you say 'thank you' in Spanish?",
    "Which gas do plants take in for photosynthesis?",
    "Give me three synonyms for 'happy'.",
    "Write a friendly reply: 'Sorry, I will be ten minutes late.'",
    "Is a tomato a fruit or a vegetable?",
    "Fix the grammar: 'She don't likes going to school on mondays.'",
    "Put into one sentence: the projector broke and the meeting is on Tuesday.",
    "How many minutes are there in two and a half days?",
    "How do I join two lists in Python?",
    "What does the error 404 mean on a website?",
    "A shirt costs 40 euros after a discount of 20 %. What did it cost before?",
    "Explain the difference between a virus and a bacterium to a ten-year-old.",
    "Why did the Western Roman Empire fall? Weigh three explanations against each other.",
    "Write a SQL query that finds, for each customer, the second most recent order.",
    "If all bloops are razzies and some razzies are lazzies, must some bloops be lazzies?",
    "This Rust code deadlocks under load when two tasks lock the same mutexes in another order; how do I prove it?",
    "A tenant sublets without consent in a jurisdiction with rent control: which remedies does the landlord have?",
    "Three urns hold 2, 3 and 5 red balls among 10 each. One red ball was drawn: from which urn, how likely?",
    "Compute the residue of exp(1/z) / (1 - z) at z = 0 and justify each step.",
    "A patient on warfarin starts fluconazole; how should dose and INR monitoring change, and why?",
    "Prove that there are infinitely many primes congruent to 3 modulo 4.",
)
