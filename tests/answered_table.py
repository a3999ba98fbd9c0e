"""A small quality table with answers, log-probabilities and a checker in it."""

import random


def make_answered_rows(n=300, seed=0, *, logprobs=True, checker=True):
    """Rows in which small is right where its log-probabilities are high, and the checker mostly agrees then."""
    draw = random.Random(seed)
    rows = []
    for i in range(n):
        right = draw.random() < 0.6
        sure = -draw.uniform(0.0, 0.4) if right == (draw.random() < 0.9) else -draw.uniform(0.5, 2.0)
        answer, other = (str(i), str(i)) if right else (str(i + 1), str(i + 1 if draw.random() < 0.2 else i))
        row = {
            "id": f"answered-{seed}-{i}",
            "query": f"Question {seed}-{i} about {('sums', 'rivers')[i % 2]}: which number is it?",
            "quality": {"small": [float(right)], "large": [1.0]},
            "responses": {"small": [f"The answer is {answer}."], "large": [str(i)]},
            "finish": {"small": ["stop"]},
            "split": ("train", "train", "train", "validation", "validation", "test")[i % 6],
        }
        if logprobs:
            row["logprobs"] = {"small": [[sure, sure / 2, 0.0]]}
        if checker:
            row["responses"]["checker"] = [f"I think it is {other}."]
        rows.append(row)
    return rows
