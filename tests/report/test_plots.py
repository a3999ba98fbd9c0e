"""The error-cost curve as a picture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hybrid_llm.errors import HybridLLMError, MissingExtraError
from hybrid_llm.metrics import Curve, oracle_curve, random_curve, tradeoff_curve
from hybrid_llm.report import error_cost_plot


def curves_of(n: int = 40, scale: float = 1.0) -> dict[str, Curve]:
    rng = np.random.default_rng(0)
    scores, small, large = rng.random(n), rng.random(n) * scale, (0.5 + rng.random(n) / 2) * scale
    return {
        "router": tradeoff_curve(scores, small, large),
        "random": random_curve(small, large),
        "oracle": oracle_curve(small, large),
    }


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved."""
    from matplotlib.figure import Figure

    figures: list[Figure] = []
    save = Figure.savefig

    def remember(self, *args, **options):
        figures.append(self)
        save(self, *args, **options)

    monkeypatch.setattr(Figure, "savefig", remember)
    return figures


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")])
def test_a_picture_has_the_format_of_its_ending(ending, start, tmp_path):
    error_cost_plot(curves_of(), tmp_path / f"curve{ending}")
    assert (tmp_path / f"curve{ending}").read_bytes().startswith(start)


def test_each_curve_is_drawn_in_percent_under_its_name(drawn, tmp_path):
    curves = curves_of()
    error_cost_plot(curves, tmp_path / "curve.png", title="a_1$ -> $b")
    axes = drawn[0].axes[0]
    lines = {line.get_label(): line for line in axes.get_lines()}
    for name, curve in curves.items():
        assert np.array_equal(lines[name].get_xdata(), 100 * curve.cost_advantage)
        assert np.array_equal(lines[name].get_ydata(), 100 * curve.drop)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["router", "random", "oracle"]
    assert axes.get_title() == "a_1$ -> $b"
    assert not axes.title.get_parse_math()


def test_the_axis_on_the_right_gives_the_drop_in_points(drawn, tmp_path):
    curves = curves_of()
    error_cost_plot(curves, tmp_path / "curve.png")
    right = drawn[0].axes[0].child_axes[0]
    low, high = drawn[0].axes[0].get_ylim()
    expected = np.array([low, high]) / 100 * curves["router"].large_quality
    assert np.allclose(right.get_ylim(), expected)


def test_with_a_large_model_that_is_always_wrong_points_are_drawn(drawn, tmp_path):
    curves = {"router": tradeoff_curve([0.1, 0.5, 0.9], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0])}
    error_cost_plot(curves, tmp_path / "curve.png")
    assert "points" in drawn[0].axes[0].get_ylabel()
    assert np.isfinite(drawn[0].axes[0].get_lines()[0].get_ydata()).all()


@pytest.mark.slow
def test_many_routers_fit_in_one_picture(drawn, tmp_path):
    one = curves_of()["router"]
    error_cost_plot({f"router {i}": one for i in range(6)}, tmp_path / "curve.png")
    assert len(drawn[0].axes[0].get_legend().get_texts()) == 6


@pytest.mark.slow
def test_wrong_places_are_refused_with_a_reason(tmp_path):
    with pytest.raises(HybridLLMError, match=r"must end in \.png, \.svg, \.pdf"):
        error_cost_plot(curves_of(), tmp_path / "curve.doc")
    with pytest.raises(HybridLLMError, match="there is no folder"):
        error_cost_plot(curves_of(), tmp_path / "no" / "curve.png")
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(HybridLLMError, match="Cannot write"):
        error_cost_plot(curves_of(), tmp_path / "taken.png")
    with pytest.raises(HybridLLMError, match="no curve"):
        error_cost_plot({}, tmp_path / "curve.png")


def test_without_matplotlib_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hybrid-llm\[report\]'"):
        error_cost_plot(curves_of(), tmp_path / "curve.png")


@pytest.mark.slow
def test_drawing_opens_no_window_and_leaves_pyplot_alone(tmp_path):
    code = f"""
import sys
from hybrid_llm.metrics import tradeoff_curve
from hybrid_llm.report import error_cost_plot
error_cost_plot({{"router": tradeoff_curve([0.1, 0.9], [0.0, 1.0], [1.0, 1.0])}}, {str(tmp_path / "c.png")!r})
sys.exit("pyplot was loaded" if "matplotlib.pyplot" in sys.modules else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(tmp_path / "c.png").is_file()


def test_the_band_and_the_levels_are_drawn_where_they_are_told(drawn, evaluation, tmp_path):
    curves, points = evaluation.curves, [evaluation.at(0.95), evaluation.at(0.8)]
    error_cost_plot(curves, tmp_path / "curve.png", band=evaluation.band, points=points)
    axes = drawn[0].axes[0]
    scale = 100 / curves["router"].large_quality
    shaded = axes.collections[0].get_paths()[0].vertices
    assert shaded[:, 1].max() == pytest.approx(scale * evaluation.band.high.max())
    assert shaded[:, 1].min() == pytest.approx(scale * evaluation.band.low.min())
    dots = [line.get_xydata()[0] for line in axes.get_lines() if line.get_marker() == "o" and len(line.get_xydata())]
    assert np.allclose(dots, [(100 * p.cost_advantage, 100 * p.drop) for p in points])
    assert {"0.95", "0.8"} <= {text.get_text() for text in axes.texts}
    named = [text.get_text() for text in axes.get_legend().get_texts()]
    assert named == ["router", "length", "random", "oracle", "95 % interval", "quality levels"]
