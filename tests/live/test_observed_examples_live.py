"""The examples on privacy, savings and shadow on the real servers."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.live.test_examples_live import output_of

pytestmark = pytest.mark.live


def test_private_requests_are_answered_by_the_local_server(servers: Any) -> None:
    output = output_of("private.py", servers.settings)
    assert output.count(servers.large_says) == 1
    assert len(re.findall(rf"^  small \(private\) .+\n +{servers.small_says}$", output, re.MULTILINE)) == 5


def test_savings_count_the_tokens_of_the_servers(servers: Any) -> None:
    output = output_of("savings.py", servers.settings)
    assert "None" not in output
    read, written = (
        sum(int(call[at]) for call in re.findall(r"^  large  (\d+) tokens in, (\d+) out", output, re.MULTILINE))
        for at in (0, 1)
    )
    (paid,) = re.findall(r"Paid: \$([\d.]+)\.", output)
    assert float(paid) == pytest.approx((2.5 * read + 10 * written) / 1e6, rel=0.05)


def test_in_shadow_the_large_server_answers_all(servers: Any) -> None:
    output = output_of("shadow.py", servers.settings)
    assert output.count(servers.large_says) == 5
    assert servers.small_says not in output
