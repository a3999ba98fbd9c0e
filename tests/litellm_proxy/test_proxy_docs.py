"""What the page on LiteLLM shows is what is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from hybrid_llm.decision import Decision, Reason
from hybrid_llm.level import Level
from litellm_hybrid._headers import headers_of
from litellm_hybrid._settings import OF_PAIR

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guide" / "litellm.md").read_text(encoding="utf-8")
CONFIG = (ROOT / "examples" / "litellm" / "config.yaml").read_text(encoding="utf-8")


def test_every_link_leads_somewhere_and_it_is_short() -> None:
    for target in re.findall(r"\]\(((?!http)[^)#]+)(?:#[^)]*)?\)", PAGE):
        assert (ROOT / "docs" / "guide" / target).exists(), target
    assert len(PAGE.splitlines()) < 200


def test_it_names_every_header_and_every_setting_and_no_others() -> None:
    decision = Decision("small", 0.9, 0.5, Level("quality", 0.95), private=True)
    sent = {*headers_of(decision)}
    assert set(re.findall(r"x-hybrid-[a-z]+", PAGE)) - {"x-hybrid-privat"} == sent
    (table,) = re.findall(r"\| setting \| meaning \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE)
    first = "".join(line.split("|")[1] for line in table.splitlines())
    assert set(re.findall(r"`(\w+)`", first)) == {"small", "large", "name", "router", *OF_PAIR}


def test_the_reasons_it_names_are_reasons() -> None:
    (row,) = re.findall(r"\| `x-hybrid-reason` \|(.*)\|", PAGE)
    assert set(re.findall(r"`(\w+)`", row)) <= set(get_args(Reason))


def test_the_config_of_the_page_stands_in_the_example() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    bare = [re.sub(r"\s*#.*", "", line) for line in CONFIG.splitlines()]
    for line in shown.splitlines():
        assert re.sub(r"\s*#.*", "", line) in bare, line
