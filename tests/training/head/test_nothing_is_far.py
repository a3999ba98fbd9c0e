"""Where training queries do not differ in how far they are from each other, nobody can tell what is unfamiliar."""

import hashlib

import numpy as np
import pytest

from hybrid_llm import QualityTable
from hybrid_llm.scoring import Encoded
from hybrid_llm.training import TrainConfig, train

ODD = "今天晚饭吃什么好。"


class AllApart:
    """An encoder for which no two texts have anything in common."""

    id, sha256, dim, shipped, path = "all-apart", "0" * 64, 512, False, None

    def encode(self, queries):
        embeddings = np.zeros((len(queries), self.dim), dtype=np.float32)
        for row, query in zip(embeddings, queries, strict=True):
            row[int(hashlib.sha256(query.encode()).hexdigest(), 16) % self.dim] = 1
        return Encoded(embeddings, np.zeros(len(queries), dtype=bool))


def table_of(queries):
    rows = [
        {"id": f"{i}", "query": query, "quality": {"small": i % 2, "large": 1}, "split": "train"}
        for i, query in enumerate(queries)
    ]
    return QualityTable.from_rows(rows)


def trained_on(queries, encoder):
    return train(table_of(queries), small="small", large="large", encoder=encoder)


def test_one_query_repeated_says_nothing_of_others(encoder):
    router = trained_on(["What is the capital of Peru?"] * 60, encoder)
    assert np.isnan(router.familiarity(["What is the capital of Peru?", ODD])).all()


def test_queries_that_are_all_equally_far_from_each_other_say_nothing_of_others():
    queries = [f"Question {number:03} of many" for number in range(60)]
    router = trained_on(queries, AllApart())
    assert np.isnan(router.familiarity([queries[0], "Question 777 of many", ODD])).all()
    assert router.decide(queries[0], threshold=0.0).familiar is None


@pytest.mark.parametrize("landmarks", [2, 10])
def test_so_few_landmarks_that_none_is_left_out_say_nothing(landmarks, table, encoder):
    config = TrainConfig(landmarks=landmarks)
    router = train(table, small="small", large="large", config=config, encoder=encoder)
    assert np.isnan(router.familiarity(["Question 0-900 about rivers: what is number 21?", ODD])).all()


def test_some_queries_that_occur_twice_do_no_harm(table, encoder):
    queries = table.pair("small", "large").queries[:100]
    router = trained_on([*queries, *queries[:30]], encoder)
    usual, odd = router.familiarity([queries[-1], ODD])
    assert odd < 0.01 <= usual
