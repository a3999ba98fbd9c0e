"""The examples on privacy, savings and shadow run by themselves: offline, without a key, with stand-ins."""

from __future__ import annotations

import re

from tests.examples.test_examples import output_of


def test_private_requests_and_what_follows_them_stay_with_small() -> None:
    output = output_of("private.py")
    assert output.startswith("small: a stand-in, no model is called")
    found = re.findall(r"^  (\w+) \((\w+)\)  .+\n +\(an answer of the (\w+) stand-in\)$", output, re.MULTILINE)
    assert found == [("large", "score", "large"), *[("small", "private", "small")] * 5]
    assert "route='large' cannot be followed for a private request" in output


def test_savings_add_up_to_what_the_answers_say() -> None:
    output = output_of("savings.py")
    dollars = [float(usd) for usd in re.findall(r"^  (?:small|large)  .*, \$([\d.]+)  ", output, re.MULTILINE)]
    assert len(dollars) == 6
    (paid,) = re.findall(r"Paid: \$([\d.]+)\. Large alone would have cost about", output)
    assert abs(float(paid) - sum(dollars)) < 1e-5
    assert "6 requests, answered by: small 4 (66.7 %), large 2 (33.3 %)." in output


def test_in_shadow_large_answers_all_and_the_journal_knows_what_would_have_been() -> None:
    output = output_of("shadow.py")
    found = re.findall(r"^  large \(would be (small|large), .+\n +\(an answer of the large stand-in\)$", output, re.M)
    assert found == ["small", "small", "small", "large", "large"]
    assert "Shadow: large answered 5 requests" in output
    assert "3 of them would have gone to small" in output
