"""Fit the router that comes with the library, judge it, and write its folder and docs/measured/shipped_router.md.

    python tools/shipped_router/run.py DATA_DIR [--cache DIR] [--study] [--judged] | [--texts]

It answers for no pair in particular: each query's small side is every small local model (2 to 9 B) that answered it,
its large side every strong hosted one. It is
judged on the test rows of each benchmark, and again on each benchmark without which it was fitted. ``--study`` also
compares ways to fit what was measured, ``--judged`` fits with and without judged prompts, both on rows that the fits
did not see. Results are kept in ``results.json``; ``--texts`` writes the card and the page again from them.
"""

from __future__ import annotations

import argparse
import datetime
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from threadpoolctl import threadpool_limits

from benchmarks.common.cache import CachedEncoder
from hybrid_llm import Router
from hybrid_llm.router.folder_reading import SHIPPED_ROUTER
from hybrid_llm.scoring import Encoder
from tools.shipped_router.fit import SHIPPED, fit_shipped
from tools.shipped_router.judged import everyday_material, read_everyday, read_judged_training
from tools.shipped_router.judged_study import BEFORE, OURS, judged_study
from tools.shipped_router.page import card_text, sources, write_page
from tools.shipped_router.pairs import on_pairs
from tools.shipped_router.rows import Answered, Material, read_rows
from tools.shipped_router.study import ALONE, left_out_on_test, on_test, study

ROOT: Final = Path(__file__).resolve().parents[2]
RESULTS: Final = Path(__file__).with_name("results.json")
PAGE: Final = ROOT / "docs" / "measured" / "shipped_router.md"

__all__ = ["fit_shipped", "read_rows"]


def figures(router: Router, rows: list[Answered], encoder: CachedEncoder, repetitions: int) -> dict[str, Any]:
    """Judge the router and what it would be without each benchmark; return plain JSON values."""
    fits = {
        name: partial(fit_shipped, rows, encoder, variant=each) for name, each in ((OURS, SHIPPED), (BEFORE, ALONE))
    }
    left_out, compared = left_out_on_test(fits, rows, encoder, repetitions)
    return {
        "sources": sources(rows),
        "test": on_test(router, rows, encoder, repetitions),
        "pairs": on_pairs(router),
        "left_out": left_out,
        "left_out_compared": compared,
        "setting": {
            "command": "python tools/shipped_router/run.py DATA_DIR",
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "router": router.id,
            "encoder": encoder.id,
            "repetitions": repetitions,
        },
    }


def on_judgements(rows: list[Answered], encoder: CachedEncoder, repetitions: int) -> dict[str, Any]:
    """Compare fits with and without judged rows, on rows that no fit saw; return plain JSON values."""
    prompts = read_everyday()
    measured = Material.of([row for row in rows if row.split == "train"], encoder)
    return judged_study(measured, everyday_material(prompts, encoder), prompts, read_judged_training(), repetitions)


def with_card(router: Router, results: dict[str, Any]) -> Router:
    """Return the router with the card's sections of its own."""
    assert router.record is not None
    return router.override(record=replace(router.record, about=card_text(results)))


def main(arguments: list[str] | None = None) -> None:
    """Fit, judge and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path, help="folder with the quality tables")
    parser.add_argument("--cache", type=Path, help="folder that keeps embeddings between runs")
    parser.add_argument("--out", type=Path, default=SHIPPED_ROUTER)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument(
        "--study", action="store_true", help="compare ways to fit what was measured, a quarter of an hour"
    )
    parser.add_argument("--judged", action="store_true", help="compare fits with and without judged prompts")
    parser.add_argument("--texts", action="store_true", help="only write the card and the page again")
    parser.add_argument("--repetitions", type=int, default=1000, help="bootstrap resamples; the study takes a third")
    options = parser.parse_args(arguments)
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if options.texts:
        router = Router.load(options.out)
    else:
        rows, encoder = read_rows(options.data_dir), CachedEncoder(Encoder.load(), options.cache)
        with threadpool_limits(limits=1, user_api="blas"):
            if options.study:
                results["study"] = study(rows, encoder, options.repetitions // 3)
            if options.judged:
                results["judged"] = on_judgements(rows, encoder, options.repetitions // 3)
            router = fit_shipped(rows, encoder)
            results |= figures(router, rows, encoder, options.repetitions)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    with_card(router, results).save(options.out)
    write_page(options.page, results)
    print(f"wrote {options.out} ({router.id}) and {options.page}")


if __name__ == "__main__":
    main()
