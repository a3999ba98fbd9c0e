"""The page ``docs/measured/benchmarks.md``: its fixed text."""

from __future__ import annotations

from pathlib import Path

SKELETON = """\
# Benchmarks

<!-- begin: summary -->
<!-- end: summary -->

## How to read this page

<!-- begin: setting -->
<!-- end: setting -->

- *Cost advantage*: share of the queries that the small model answers. *Drop*: quality lost against always asking the
  large model, as a share of its quality (the paper, arXiv 2404.14618); *points* are the numerator alone, times 100.
- *APGR*: share of the gap between both models that is kept, averaged over all cost advantages (arXiv 2406.18665); 0.5
  is routing at random. *CPT(x)*: share of large calls that keeps x % of the gap; random is x %. *AUC*: of the score,
  for "the small model is at least as good".
- Numbers in brackets are 95 % intervals from resamples of the judged rows. Differences are paired: both routers are
  judged on the same resamples.
- Every router is trained by `hybrid_llm.training.train` with its defaults: four fifths of the split `train` fit, one
  fifth chooses the settings, and the final head is fitted to all of it. `validation` gives thresholds. `test` only
  reports. A training row whose question also stands in validation or test is dropped.

## The figures of the paper

<!-- begin: figures -->
<!-- end: figures -->

## Thresholds chosen beforehand

The tables above choose the cut on the rows that it is judged on, as papers do. A user cannot. Here the threshold for a
quality level is the one that keeps the level on `validation`, and the test rows say what it does.

<!-- begin: levels -->
<!-- end: levels -->

## Against simpler routers

The same embeddings and rows. *Plain kernel ridge* sees the embedding alone and fits the label alone; the recipe adds
text features and the quality gap. *kNN-100 + plain ridge* adds ranks.

<!-- begin: baselines -->
<!-- end: baselines -->

## det, prob or trans?

The paper finds trans at least as good as prob, and prob at least as good as det, mostly where the gap is large and many
queries go small. On 0/1 scores of one response the three are the same label, so they are compared where they differ:

- `chat` (a judge's 1-10, and continuous scores) and the graded task of `llmrouter_mixed`: one response of each model,
  so that det and prob are the same;
- `samples`: ten 0/1 responses of the small model, one of the large, so that prob and trans are the same (t\\* is 0);
- simulated tables with 10 x 10 responses and a known truth (`benchmarks/paper_figures/simulate.py`).

*Label alone* is what the paper fits. *Label and gap* is the recipe: it adds the mean quality gap to the label.

<!-- begin: labels -->
<!-- end: labels -->

Intervals: simulated, over the seeds; real pairs, from resamples of the queries. Real pairs are cross-validated over all
rows of their files, five folds, repeated with other folds, so that every row is scored by routers that did not see it.
No setting is chosen by these figures.

## A router for another small model

Section 4.7 of the paper: how does the router of one pair do for another one? The five `zeroeval` files, four small
models, one large one. The gaps' correlations are those of the training rows; *own* is the router that was trained for
the pair that is judged.

<!-- begin: transfer -->
<!-- end: transfer -->

## Which head

`python -m benchmarks.heads.run DATA_DIR` fits each head to four fifths of `train` and judges it on the held-out fifth;
validation and test are not read. The held-out fifth is halved: what has settings chooses them on one half and is judged
on the other, both ways. APGR, mean over the pairs. *Gap weight*: how much of the quality gap is added to the label as
the target.

<!-- begin: heads -->
<!-- end: heads -->

## What is weak here

<!-- begin: weak -->
<!-- end: weak -->

Aims that were missed, measured on other pages:

<!-- begin: missed -->
<!-- end: missed -->

## The data

<!-- begin: data -->
<!-- end: data -->
"""


def prepare(page: Path) -> None:
    """Write the fixed text of the page, keeping what stands between its markers."""
    kept = page.read_text(encoding="utf-8") if page.exists() else ""
    text = SKELETON
    for line in SKELETON.splitlines():
        if line.startswith("<!-- begin: "):
            end = line.replace("begin", "end")
            _, found, rest = kept.partition(line)
            if found and end in rest:
                text = text.replace(f"{line}\n{end}", f"{line}{rest.partition(end)[0]}{end}")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")
