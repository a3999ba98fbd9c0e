"""A kernel width of 0 leaves a part of the features out, of the scores and of familiarity alike."""

import numpy as np

from hybrid_llm.training import TrainConfig, train


def test_without_text_features_familiarity_goes_by_the_embedding(table, encoder):
    router = train(table, small="small", large="large", config=TrainConfig(text_gammas=(0.0,)), encoder=encoder)
    usual, odd = router.familiarity(["Question 0-900 about rivers: what is number 21?", "今天晚饭吃什么好。"])
    assert 0 <= odd < 0.01 <= usual <= 1


def test_without_the_embedding_nobody_knows_what_is_familiar(table, encoder):
    router = train(table, small="small", large="large", config=TrainConfig(embedding_gammas=(0.0,)), encoder=encoder)
    assert np.isnan(router.familiarity(["Question 0-900 about rivers: what is number 21?"])).all()
    assert np.isfinite(router.score(["anything"])).all()
