"""What would be lost where a router folder is written, and who is asked first."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hybrid_llm import QualityTable, Router
from hybrid_llm.errors import RouterFolderError
from hybrid_llm.router import RouterParts, refuse_replacing
from hybrid_llm.scoring import EmbeddingScorer, Encoder
from tests.small_table import make_rows


@pytest.fixture(autouse=True)
def _one_embedding_for_each_text(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Encoder, "load", lambda path=None: encoder)


@pytest.fixture(scope="module")
def fresh() -> QualityTable:
    return QualityTable.from_rows([row | {"split": "new"} for row in make_rows(seed=1)])


@pytest.fixture(scope="module")
def certified(trained: Router, fresh: QualityTable) -> Router:
    return trained.certify(fresh, small="small", large="large", max_drop=0.2)


def saved(router: Router, tmp_path: Path) -> Path:
    router.save(tmp_path / "router")
    return tmp_path / "router"


def said(folder: Path, staying: RouterParts | None = None) -> str:
    with pytest.raises(RouterFolderError) as caught:
        refuse_replacing(folder, force=False, staying=staying)
    refuse_replacing(folder, force=True, staying=staying)
    return str(caught.value).removeprefix(f"{folder} ")


def test_a_trained_router_is_named_with_its_rows_and_its_pair(trained: Router, tmp_path: Path) -> None:
    assert said(saved(trained, tmp_path)) == (
        "holds a router trained on 160 rows (small -> large); add --force to replace it, or choose another --out."
    )


def test_a_certificate_is_named_too(certified: Router, tmp_path: Path) -> None:
    assert "trained on 160 rows (small -> large), with a certificate; add" in said(saved(certified, tmp_path))


def test_thresholds_of_another_pair_are_named_too(trained: Router, fresh: QualityTable, tmp_path: Path) -> None:
    folder = saved(trained.calibrate(fresh, "other", "large"), tmp_path)
    assert "trained on 160 rows (small -> large), calibrated for other -> large; add" in said(folder)


@pytest.mark.parametrize("kind", ["not feasible", "void"])
def test_a_certificate_that_promises_nothing_is_no_loss(
    trained: Router, table: QualityTable, fresh: QualityTable, tmp_path: Path, kind: str
) -> None:
    few = fresh.pair("small", "large").rows(range(20))
    router = (
        trained.certify(few)
        if kind == "not feasible"
        else trained.certify(table, "small", "large", max_drop=0.2, allow_leak=True)
    )
    assert router.certificate is not None
    folder = saved(router, tmp_path)
    assert "certificate" not in said(folder)
    refuse_replacing(folder, force=False, staying=router.parts.before_certifying("small", "large"))


def test_calibrating_in_place_loses_the_old_thresholds_and_nothing_else(certified: Router, tmp_path: Path) -> None:
    folder = saved(certified, tmp_path)
    assert said(folder, certified.parts.before_calibrating("small", "large")) == (
        "would lose its thresholds for small -> large, measured on 40 rows; add --force to replace it, or choose "
        "another --out."
    )


def test_calibrating_in_place_for_another_pair_loses_the_certificate_too(certified: Router, tmp_path: Path) -> None:
    message = said(saved(certified, tmp_path), certified.parts.before_calibrating("other", "large"))
    assert "measured on 40 rows, and its certificate for small -> large; add" in message


def test_what_was_never_calibrated_can_be_in_place(trained: Router, tmp_path: Path) -> None:
    router = trained.override(calibration=None)
    folder = saved(router, tmp_path)
    refuse_replacing(folder, force=False, staying=router.parts.before_calibrating("small", "large"))


def test_a_certificate_may_join_what_the_folder_holds(trained: Router, tmp_path: Path) -> None:
    refuse_replacing(saved(trained, tmp_path), force=False, staying=trained.parts.before_certifying("small", "large"))


def test_a_second_certificate_replaces_the_first_only_by_force(certified: Router, tmp_path: Path) -> None:
    message = said(saved(certified, tmp_path), certified.parts.before_certifying("small", "large"))
    assert message.startswith("would lose its certificate for small -> large; add --force")


def test_a_certificate_of_another_pair_would_cost_the_thresholds(trained: Router, tmp_path: Path) -> None:
    message = said(saved(trained, tmp_path), trained.parts.before_certifying("other", "large"))
    assert message.startswith("would lose its thresholds for small -> large, measured on 40 rows; add --force")


def test_another_router_takes_all_of_it(certified: Router, tmp_path: Path) -> None:
    assert isinstance(certified.scorer, EmbeddingScorer)
    head = dataclasses.replace(certified.scorer.head, bias=certified.scorer.head.bias + 1)
    other = dataclasses.replace(certified.parts, scorer=EmbeddingScorer(certified.scorer.encoder, head))
    assert "holds a router trained on 160 rows" in said(saved(certified, tmp_path), other)


def test_a_router_that_cannot_be_read_is_a_router(trained: Router, tmp_path: Path) -> None:
    folder = saved(trained, tmp_path)
    (folder / "head.safetensors").write_bytes(b"")
    assert said(folder).startswith("holds a router that cannot be read; add --force")


def test_nothing_there_is_nothing_lost(tmp_path: Path) -> None:
    refuse_replacing(tmp_path / "nowhere", force=False)
    refuse_replacing(tmp_path, force=False)


def test_what_is_no_router_is_refused_even_by_force(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_text("x")
    with pytest.raises(RouterFolderError, match="is no router folder; choose another --out"):
        refuse_replacing(tmp_path, force=True)


def test_a_program_that_saves_means_it(certified: Router, trained: Router, tmp_path: Path) -> None:
    folder = saved(certified, tmp_path)
    trained.save(folder)
    assert Router.load(folder).certificate is None
