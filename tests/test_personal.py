"""What the ready function for private requests finds, and what it leaves alone."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.personal import holds_personal_data, kinds_of_personal_data

FOUND = [
    ("write to ana.b+c@mail.example.org today", "email"),
    ("my card is 4111 1111 1111 1111, thanks", "card"),
    ("4111-1111-1111-1111", "card"),
    ("order 1234 4111111111111111", "card"),
    ("1234 4111 1111 1111 1111", "card"),
    ("American Express 3782 822463 10005", "card"),
    ("pay to DE89 3704 0044 0532 0130 00 please", "iban"),
    ("GB82WEST12345698765432 is the account", "iban"),
    ("call +49 (0)30 1234567", "phone"),
    ("call 555-123-4567 or write", "phone"),
    ("(415) 555-2671", "phone"),
    ("0049 30 1234567", "phone"),
    ("OPENAI_API_KEY is sk-proj-" + "a1B2" * 8, "key"),
    ("AKIAIOSFODNN7EXAMPLE", "key"),
    ("ghp_" + "a" * 36, "key"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMII...", "key"),
    ("password: hunter2hunter2", "key"),
    ("API_KEY='0123456789abcdef'", "key"),
    ("postgres://me:secret1@db.lan/x", "key"),
]
LEFT = [
    "What is 2 + 2?",
    "my card is 4111 1111 1111 1112",
    "DE88370400440532013000",
    "AB12 3456 7890 1234 5678 90",
    "on 2026-11-28 at 10:00:00, version 1.2.3.4, from 192.168.100.200",
    "pi is 3.14159265358979323846",
    "ISBN 978-3-16-148410-0",
    "1234567890123456",
    "0000 0000 0000 0000",
    "user@localhost and @property",
    "the token: none was given, password: forgotten",
    "",
]


@pytest.mark.parametrize(("text", "kind"), FOUND)
def test_common_secrets_and_personal_data_are_found(text: str, kind: str) -> None:
    assert kind in kinds_of_personal_data(text)
    assert holds_personal_data(text)


@pytest.mark.parametrize("text", LEFT)
def test_what_only_looks_alike_is_left_alone(text: str) -> None:
    assert kinds_of_personal_data(text) == frozenset()
    assert not holds_personal_data(text)


@given(st.lists(st.integers(0, 9), min_size=14, max_size=14).filter(lambda digits: len(set(digits)) > 1))
def test_of_all_last_digits_one_makes_a_card(digits: list[int]) -> None:
    numbers = ["4" + "".join(map(str, [*digits, last])) for last in range(10)]
    assert sum("card" in kinds_of_personal_data(number) for number in numbers) == 1


@given(st.text())
def test_any_text_can_be_judged(text: str) -> None:
    assert holds_personal_data(text) == bool(kinds_of_personal_data(text))


EVIL = ["1 ", "a", "a.", "+1 ", "A1 ", "AB12", "a://", "-----BEGIN ", "password: ", "1-", "x@a.", "AB12 3456 ", "("]


@pytest.mark.slow
@pytest.mark.parametrize("piece", EVIL)
def test_the_time_it_takes_grows_with_the_length_alone(piece: str) -> None:
    def seconds(n: int) -> float:
        text = piece * (n // len(piece))
        runs = []
        for _ in range(3):
            start = time.perf_counter()
            holds_personal_data(text)
            runs.append(time.perf_counter() - start)
        return min(runs)

    assert seconds(40_000) < 40 * max(seconds(5_000), 1e-3)  # squared it would be 64 times
