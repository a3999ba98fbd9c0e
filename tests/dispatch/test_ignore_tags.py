"""Blocks that editors append are left out of what is scored, by tag; the arms get the whole message."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm import Pair
from hybrid_llm.dispatch import Request
from hybrid_llm.dispatch.blocks import without_blocks
from hybrid_llm.errors import ConfigError
from hybrid_llm.testing import FixedScorer

BLOCK = "<environment_details>\n# Open tabs\nsrc/a.py\n</environment_details>"
PLAIN = st.text(st.characters(exclude_characters="<>"))
SCORER = FixedScorer({"Why is the sky blue?": 0.9}, default=0.1)


def pair(**options):
    return Pair(SCORER, threshold=0.5, **options)


def test_a_block_is_left_out_of_the_text_that_is_scored():
    request = Request(f"Why is the sky blue?{BLOCK}")
    assert pair(ignore_tags=["environment_details"]).decide(request).decision.route == "small"
    assert pair().decide(request).decision.route == "large"


async def test_so_it_is_where_nothing_blocks_the_event_loop():
    decided = await pair(ignore_tags=["environment_details"]).adecide(Request(f"Why is the sky blue?{BLOCK}"))
    assert decided.decision.route == "small"


def test_the_arm_is_asked_the_whole_request():
    request = Request(f"Why is the sky blue?{BLOCK}")
    assert pair(ignore_tags=["environment_details"]).decide(request).request is request


def test_a_follow_up_is_scored_by_a_turn_without_its_block():
    request = Request(f"and so?{BLOCK}", turns=[f"Why is the sky blue?{BLOCK}"])
    decision = pair(ignore_tags=["environment_details"]).decide(request).decision
    assert (decision.route, decision.reason) == ("small", "follow_up")


def test_a_message_of_blocks_alone_has_no_text_to_score():
    assert pair(ignore_tags=["environment_details"]).decide(Request(BLOCK)).decision.reason == "no_text"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a<env>b</env>c<env>d</env>e", "ace"),
        ("a<ENV os='x'\n>b</Env >c", "ac"),
        ("a<environment>b</environment>", "a<environment>b</environment>"),
        ("a<env>never closed", "a<env>never closed"),
        ("</env>a<env>b</env>", "</env>a"),
    ],
)
def test_what_a_block_is(text, left):
    assert without_blocks(text, ["env"]) == left


@given(PLAIN, PLAIN, PLAIN)
def test_whatever_stands_around_and_in_a_block(before, inside, after):
    assert without_blocks(f"{before}<env>{inside}</env>{after}", ["env"]) == before + after


def test_ten_thousand_blocks_that_are_never_closed_cost_no_more_than_their_letters():
    start = time.process_time()
    without_blocks("<env>" * 100_000, ["env"])
    without_blocks("<env " * 100_000, ["env"])
    assert time.process_time() - start < 2


@pytest.mark.parametrize("tags", ["environment_details", b"env", ["<env>"], [""], [1], None])
def test_what_is_no_list_of_tags_is_refused(tags):
    with pytest.raises(ConfigError, match="ignore_tags="):
        pair(ignore_tags=tags)
