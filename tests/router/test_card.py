"""The model card: all that a reader needs before trusting a router folder, and nothing that is not so."""

from __future__ import annotations

import dataclasses
import re

import pytest

from hybrid_llm import Router
from hybrid_llm.certify import Provenance, certify_menu
from hybrid_llm.errors import RouterFolderError
from hybrid_llm.level import Level
from hybrid_llm.router import model_card
from hybrid_llm.testing import FixedScorer


def section(card: str, heading: str) -> str:
    return re.split(r"^## ", card.split(f"\n## {heading}", 1)[1], flags=re.MULTILINE)[0]


def rows_of(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def with_record(router: Router, **changes) -> Router:
    return router.override(record=dataclasses.replace(router.record, **changes))


def menu(max_drop: float = 0.2, n: int = 400, **provenance):
    rows = range(n)
    return certify_menu(
        [1 - i / n for i in rows],
        [float(i < 0.6 * n) for i in rows],
        [1.0] * n,
        max_drop,
        provenance=Provenance(small="small", large="large", data="calls.jsonl", **provenance),
    )


@pytest.fixture
def card(trained) -> str:
    return model_card(trained.parts)


def test_it_names_pair_label_data_and_rows(trained, card):
    record = trained.record
    facts = dict(rows_of(section(card, "Training")))
    assert facts["small model"] == "`small`"
    assert facts["large model"] == "`large`"
    assert facts["label"] == "`prob`"
    assert facts["data"] == "`made in the test`"
    assert facts["hash of the data"] == f"`{record.data_hash}`"
    assert facts["rows trained on"] == "160"
    assert facts["router id"] == f"`{trained.id}`"
    assert facts["date"] == record.created


def test_it_names_what_else_identifies_the_pair(trained):
    facts = dict(rows_of(section(model_card(with_record(trained, fingerprint={"digest": "abc"}).parts), "Training")))
    assert facts["pair: digest"] == "`abc`"


def test_trans_labels_come_with_their_t(trained):
    assert "`trans`, t = 0.125" in model_card(with_record(trained, label="trans", t=0.125).parts)


def test_held_out_figures_say_that_they_chose(trained):
    chosen = with_record(trained, heldout={"n": 500, "chosen": True, "apgr": 0.7123})
    text = section(model_card(chosen.parts), "Figures")
    assert "APGR of the best on them: 0.712" in text
    assert "somewhat too good" in text


def test_figures_that_do_not_exist_are_not_invented(trained, card):
    assert "APGR" not in section(card, "Figures")
    assert "too few to choose by" in section(card, "Figures")
    undefined = with_record(trained, heldout={"n": 500, "chosen": True})
    assert "APGR" not in section(model_card(undefined.parts), "Figures")


def test_a_router_that_learned_nothing_says_so(trained, card):
    nothing = with_record(trained, settings={**trained.record.settings, "signal": False})
    assert "found nothing to go by" in model_card(nothing.parts)
    assert "found nothing to go by" not in card


def test_the_thresholds_are_those_of_the_calibration(trained, card):
    rows = rows_of(section(card, "Thresholds"))
    assert [row[0] for row in rows] == ["0.99", "0.98", "0.97", "0.95", "0.9"]
    threshold = trained.calibration.cut(Level("quality", 0.95)).threshold
    assert rows[3][1] == f"{threshold:.4f}"
    assert f"Measured on {trained.calibration.n} queries" in card


def test_without_a_calibration_there_are_no_thresholds_and_the_example_needs_none(trained):
    card = model_card(trained.override(calibration=None).parts)
    assert "has not been calibrated" in section(card, "Thresholds")
    assert "threshold=0.5" in section(card, "Use")


def test_the_example_in_the_card_runs(trained, tmp_path):
    trained.save(tmp_path / "router")
    code = re.search(r"```python\n(.*?)```", (tmp_path / "router" / "README.md").read_text(), re.DOTALL)[1]
    code = code.replace("path/of/this/folder", str(tmp_path / "router")).replace(
        "router.decide", "route = router.decide"
    )
    namespace: dict[str, object] = {}
    with pytest.warns(UserWarning, match="not certified"):
        exec(code, namespace)
    assert namespace["route"] in {"small", "large"}


def test_without_a_certificate_it_says_that_nothing_is_certified(card):
    assert section(card, "Certificate").strip().startswith("None.")
    assert "not certified" in section(card, "What it is not")


def test_a_certificate_is_shown_as_a_menu_with_its_limits(trained):
    promised = menu(measured_by="exact match")
    card = model_card(trained.override(certificate=promised).parts)
    rows = {row[0]: row for row in rows_of(section(card, "Certificate"))}
    assert list(rows) == ["0.99", "0.98", "0.97", "0.95", "0.9", "0.8"]
    assert rows["0.8"][1] == f"{promised.asked.threshold:.4f}"
    assert rows["0.99"][1] == "no promise"
    assert next(c.reason for c in promised.certificates if not c.feasible) in card
    assert "exact match, on `calls.jsonl`" in card
    assert "average over distinct queries" in card
    assert "certified only at the levels" in section(card, "What it is not")


@pytest.mark.parametrize("broken", [{"void_reason": "Training saw 3 rows."}, {"n": 20}])
def test_a_void_or_empty_certificate_leaves_the_router_not_certified(trained, broken):
    card = model_card(trained.override(certificate=menu(**broken)).parts)
    assert ("## Certificate: VOID" in card) == ("void_reason" in broken)
    assert ("VOID: Training saw 3 rows." in card) == ("void_reason" in broken)
    assert "not certified" in section(card, "What it is not")


def test_it_says_whether_training_rows_can_be_recovered(trained, card):
    assert trained.record.recoverable in section(card, "Privacy")
    assert "No training row can be recovered" in model_card(with_record(trained, recoverable="").parts)


def test_it_names_the_versions_of_the_libraries(trained, card):
    assert f"numpy {trained.record.versions['numpy']}" in section(card, "Made with")


def test_names_and_notes_cannot_break_the_page(trained):
    card = model_card(with_record(trained, small="a|b`c\n# d", data="<script>", fingerprint={"<b>\n## x": "y"}).parts)
    facts = dict(rows_of(section(card, "Training")))
    assert facts["small model"] == "`a&#124;b'c # d`"
    assert "\n## x" not in card
    assert "<b>" not in card


def test_only_a_trained_router_has_a_card():
    with pytest.raises(RouterFolderError, match="scorer of your own"):
        model_card(Router(FixedScorer()).parts)
