"""Scores from memory, in streams, from many tasks at once: the same scores, and nobody waits for long."""

import asyncio
import multiprocessing
import queue
import threading
import time
import tracemalloc

import numpy as np
import pytest

from hybrid_llm import Router
from hybrid_llm.scoring import EmbeddingScorer, cache
from hybrid_llm.scoring.embedding import CHUNK
from hybrid_llm.scoring.microbatch import PASS, MicroBatch
from hybrid_llm.testing import FixedScorer

pytestmark = pytest.mark.filterwarnings("ignore:A query is unlike:hybrid_llm.errors.HybridLLMWarning")
TEXTS = [f"What is {i} + {i}?" + " And why?" * (i % 7) for i in range(40)]


@pytest.fixture(scope="module")
def shipped() -> Router:
    return Router.load()


@pytest.fixture
def counting(shipped):
    """The shipped router with an empty memory, and the texts that its encoder was given."""
    inner = shipped.scorer
    return counted(inner)


class CountingEncoder:
    def __init__(self, inner):
        self.inner, self.sha256, self.dim, self.calls = inner, inner.sha256, inner.dim, []

    def encode(self, texts):
        self.calls.append(list(texts))
        return self.inner.encode(texts)


def counted(scorer):
    encoder = CountingEncoder(scorer.encoder)
    return Router(EmbeddingScorer(encoder, scorer.head)), encoder.calls


def test_a_repeated_text_is_scored_once(counting):
    router, calls = counting
    first = router.score([TEXTS[0], TEXTS[1], TEXTS[0]])
    assert calls == [TEXTS[:2]]
    assert first[0] == first[2] != first[1]
    assert router.score(TEXTS[1::-1]).tolist() == first[1::-1].tolist()
    assert router.decide(TEXTS[0], threshold=0.5).score == first[0]
    assert len(calls) == 1


def test_what_is_remembered_still_says_truncated(counting):
    router, calls = counting
    long = "word " * 1000
    decisions = [router.decide(text, threshold=0.5) for text in (long, long, "short")]
    assert [d.truncated for d in decisions] == [True, True, False]
    assert len(calls) == 2


@pytest.mark.slow
def test_a_score_does_not_depend_on_its_batch_or_memory_to_the_last_bit(shipped, counting):
    together = counting[0].score(TEXTS)
    alone = [counted(shipped.scorer)[0].score([text])[0] for text in TEXTS]
    assert together.tolist() == alone == counting[0].score(TEXTS).tolist()


def test_served_scores_are_those_of_the_head(shipped):
    from hybrid_llm.scoring import features_of

    features = features_of(TEXTS, shipped.scorer.encoder, shipped.scorer.features)[0]
    np.testing.assert_allclose(shipped.score(TEXTS), shipped.scorer.head.score(features), atol=1e-6)


def test_a_scorer_of_your_own_is_asked_every_time():
    scorer = FixedScorer(0.5)
    router = Router(scorer)
    router.score(["a", "a"])
    router.score(["a"])
    assert scorer.calls == [["a", "a"], ["a"]]


def test_a_hit_costs_less_than_50_microseconds(shipped):
    shipped.score(["again"])
    times = []
    for _ in range(500):
        start = time.perf_counter()
        shipped.score(["again"])
        times.append(time.perf_counter() - start)
    assert np.median(times) < 50e-6


def test_routers_of_one_scorer_share_their_memory(counting):
    router, calls = counting
    router.score(TEXTS[:3])
    router.override(calibration=None).score(TEXTS[:3])
    assert len(calls) == 1


class FastEncoder:
    """Embeds in no time, so that thousands of texts can be streamed."""

    sha256 = "0" * 64
    dim = 384

    def encode(self, texts):
        from hybrid_llm.scoring import Encoded

        return Encoded(np.full((len(texts), 384), 0.05, dtype=np.float32), np.zeros(len(texts), dtype=bool))


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["score", "score_iter"])
def test_memory_does_not_grow_with_the_embeddings(shipped, verb):
    router = Router(EmbeddingScorer(FastEncoder(), shipped.scorer.head, cache.ScoreCache(entries=100)))
    texts = [str(i) for i in range(4 * CHUNK)]
    getattr(router, verb)(texts[:10])
    tracemalloc.start()
    scores = list(getattr(router, verb)(texts))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(scores) == len(texts)
    assert peak < 4 * CHUNK * 384 * 4 * 0.9  # less than all embeddings together


def test_a_stream_gives_the_scores_in_order_and_reads_only_what_it_needs(shipped):
    taken = []

    def source():
        for i in range(10_000):
            taken.append(i)
            yield TEXTS[i % len(TEXTS)]

    stream = shipped.score_iter(source())
    assert not taken
    assert [next(stream) for _ in TEXTS] == shipped.score(TEXTS).tolist()
    assert len(taken) < 1000


def test_a_stream_of_nothing_is_nothing(shipped):
    assert list(shipped.score_iter([])) == []


def test_a_stream_refuses_one_text_at_once_and_names_what_is_no_text():
    router = Router(FixedScorer(0.5))
    with pytest.raises(TypeError, match="one by one"):
        router.score_iter("one text")
    with pytest.raises(TypeError, match="Query 700 is NoneType"):
        list(router.score_iter(None if i == 700 else "x" for i in range(1000)))


class Passes:
    """Records joint passes; slow enough for others to arrive meanwhile."""

    def __init__(self, error=None):
        self.calls, self.error = [], error

    def score(self, texts):
        self.calls.append(list(texts))
        time.sleep(0.02)
        if self.error:
            raise self.error
        values = np.array([float(text) for text in texts])
        return values, values % 2 == 1, values / 1000

    def batch(self):
        return MicroBatch(self.score, lambda texts: None)


async def test_tasks_that_wait_together_share_passes_and_get_their_own_scores():
    passes = Passes()
    batch = passes.batch()
    answers = await asyncio.gather(*(batch.score([str(i), str(i + 1)]) for i in range(0, 3 * PASS, 2)))
    assert [scores.tolist() for scores, *_ in answers] == [[i, i + 1] for i in range(0, 3 * PASS, 2)]
    assert all(cut.tolist() == [False, True] for _, cut, _ in answers)
    assert all((familiar == scores / 1000).all() for scores, _, familiar in answers)
    assert [len(call) for call in passes.calls] == [PASS] * 3


async def test_a_call_alone_does_not_wait_for_company():
    passes = Passes()
    assert (await passes.batch().score(["1"]))[0].tolist() == [1.0]
    assert passes.calls == [["1"]]


async def test_a_call_of_many_texts_has_a_pass_of_its_own():
    passes = Passes()
    batch = passes.batch()
    await asyncio.gather(batch.score([str(i) for i in range(100)]), batch.score(["1"]))
    assert sorted(map(len, passes.calls)) == [1, 100]


async def test_an_error_reaches_everyone_who_waits_and_the_next_call_works():
    passes = Passes(ValueError("broken"))
    batch = passes.batch()
    answers = await asyncio.gather(*(batch.score([str(i)]) for i in range(40)), return_exceptions=True)
    assert {str(answer) for answer in answers} == {"broken"}
    passes.error = None
    assert (await batch.score(["3"]))[0].tolist() == [3.0]


async def test_a_cancelled_task_harms_no_other():
    passes = Passes()
    batch = passes.batch()
    tasks = [asyncio.create_task(batch.score([str(i)])) for i in range(40)]
    await asyncio.sleep(0.01)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
    assert [answer[0][0] for answer in answers[1::2]] == list(range(1, 40, 2))
    assert sum(map(len, passes.calls)) == PASS + (40 - PASS) // 2
    assert (await batch.score(["3"]))[0].tolist() == [3.0]


async def test_nothing_is_left_running():
    await Passes().batch().score(["1"])
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_each_event_loop_has_its_own_queue():
    passes = Passes()
    batch = passes.batch()
    results = []

    async def some():
        return [scores[0] for scores, *_ in await asyncio.gather(*(batch.score([str(i)]) for i in range(5)))]

    threads = [threading.Thread(target=lambda: results.extend(asyncio.run(some()) for _ in range(3))) for _ in "12"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [list(range(5))] * 6


def test_a_loop_that_ended_in_the_middle_of_a_pass_leaves_the_next_one_free():
    batch = Passes().batch()

    async def give_up():
        await asyncio.wait_for(batch.score(["1"]), 0.001)

    loop = asyncio.new_event_loop()
    with pytest.raises(TimeoutError):
        loop.run_until_complete(give_up())
    loop.close()
    assert asyncio.run(asyncio.wait_for(batch.score(["2"]), 5))[0].tolist() == [2.0]


async def test_a_loop_without_workers_says_so_and_nobody_waits_for_ever():
    loop = asyncio.get_running_loop()
    batch = Passes().batch()
    await batch.score(["1"])
    await loop.shutdown_default_executor()
    answers = await asyncio.wait_for(
        asyncio.gather(*(batch.score([str(i)]) for i in range(40)), return_exceptions=True), 5
    )
    assert all(isinstance(answer, RuntimeError) for answer in answers)


async def test_async_scores_are_the_sync_scores_to_the_last_bit(shipped):
    router, calls = counted(shipped.scorer)
    scores = await asyncio.gather(*(router.ascore([text]) for text in TEXTS))
    assert [score[0] for score in scores] == shipped.score(TEXTS).tolist()
    assert len(calls) < len(TEXTS) / 2
    decisions = await asyncio.gather(*(router.adecide(text, threshold=0.5) for text in TEXTS))
    assert decisions == router.decide_many(TEXTS, threshold=0.5)


async def test_concurrent_calls_to_a_scorer_of_your_own_are_not_joined():
    scorer = FixedScorer(0.5)
    await asyncio.gather(*(Router(scorer).ascore([str(i)]) for i in range(5)))
    assert sorted(scorer.calls) == [[str(i)] for i in range(5)]


async def test_the_event_loop_goes_on_while_tasks_wait_for_scores(shipped):
    router, _ = counted(shipped.scorer)
    tasks = [asyncio.create_task(router.ascore([text])) for text in TEXTS]
    ticks = 0
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0.001)
        ticks += 1
    assert ticks > 5


def _score_in_child(router, results):
    results.put(router.score(TEXTS[:5]).tolist())


# A fork of a process with threads is what is tried here on purpose.
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_a_child_scores_though_its_parent_held_the_lock_of_the_memory(shipped, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"{method} is not available here")
    context = multiprocessing.get_context(method)
    results = context.Queue()
    wanted = shipped.score(TEXTS[:5]).tolist()
    child = context.Process(target=_score_in_child, args=(shipped, results), daemon=True)
    held, release = threading.Event(), threading.Event()

    def hold():
        with cache._Shared.lock:
            held.set()
            release.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    child.start()
    release.set()
    holder.join()
    try:
        assert results.get(timeout=60) == wanted
    except queue.Empty:
        child.kill()
        pytest.fail("the child hangs")
    child.join(30)
    assert child.exitcode == 0
