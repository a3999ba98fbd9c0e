"""A small quality table with something to learn in it."""

TOPICS = ["sums", "rivers", "proofs", "contracts"]


def make_rows(n=240, seed=0):
    """Rows in which small is good at the first two topics and bad at the others."""
    return [
        {
            "id": f"row-{seed}-{i}",
            "query": f"Question {seed}-{i} about {TOPICS[i % 4]}: what is number {i * 7 % 50}?",
            "quality": {
                "small": [1.0 if (i % 4 < 2) != (i % 11 == 0) else 0.0],
                "large": [1.0 if i % 17 else 0.0],
                "other": [0.5],
            },
            "split": ("train", "train", "train", "train", "validation", "test")[i // 4 % 6],
        }
        for i in range(n)
    ]
