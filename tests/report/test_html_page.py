"""The report page: what stands in it, what does not, and that nothing in it comes from elsewhere or runs."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from hybrid_llm.errors import HybridLLMError, MissingExtraError
from hybrid_llm.report import figure_rows, html_page, write_page
from tests.report.conftest import make_pair, make_router

ATTACK = '<script>window.hacked = 1</script><img src=x onerror="window.hacked = 2">\'"&{{ 7 * 7 }}'


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.said += data

    def all(self, *tags):
        return [attributes for tag, attributes in self.elements if tag in tags]


@pytest.fixture(scope="module")
def text(evaluation) -> str:
    return html_page(evaluation)


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


def test_the_page_fetches_nothing(text, page):
    assert not re.search(r"https?:|url\(|@import|//[a-z]", text.replace("// Moves", ""))
    assert not page.all(
        "link", "img", "iframe", "object", "embed", "audio", "video", "form", "base", "a", "use", "image"
    )
    assert not [
        attributes for _, attributes in page.elements if {"src", "href", "srcset", "action"} & attributes.keys()
    ]
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")


def test_the_policy_allows_the_pages_own_script_and_style_and_no_other(text, page):
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        inside = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert len(inside) == 1
        digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not [attributes for _, attributes in page.elements if "style" in attributes]


def test_names_tasks_texts_and_the_verdict_are_text_and_never_markup(judge):
    pair = make_pair(small=ATTACK, large=f"big{ATTACK}")
    object.__setattr__(pair, "tasks", (ATTACK, "other") * 150)
    object.__setattr__(pair, "queries", tuple(f"{ATTACK} {i}" for i in range(300)))
    router = make_router(pair).calibrate(pair)
    text = html_page(judge(pair, router=router, source=ATTACK), verdict=ATTACK, with_texts=True)
    page = Page(text)
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert page.said.count(ATTACK) > 20


def test_no_query_stands_in_the_page_unless_it_is_asked_for(evaluation, text):
    assert "Secret question" not in text
    shown = html_page(evaluation, with_texts=True)
    assert 5 <= shown.count("Secret question") <= 15
    assert "Highest scores" in shown


def test_long_queries_are_cut(judge):
    pair = make_pair()
    object.__setattr__(pair, "queries", tuple("x" * 5000 + str(i) for i in range(300)))
    shown = html_page(judge(pair, router=make_router(pair).calibrate(pair)), with_texts=True)
    assert max(map(len, re.findall("x+", shown))) < 600


def test_the_figures_are_those_of_evaluate(evaluation, page):
    cells = re.sub(r"\s+", " ", page.said)
    for row in figure_rows(evaluation.figures):
        for cell in row:
            assert cell in cells
    for quality in (0.99, 0.95, 0.9, 0.8):
        point = evaluation.at(quality)
        assert f"{100 * point.cost_advantage:.1f} %" in cells
        assert f"{point.threshold:.4f}" in cells
        assert f"${point.usd_per_1000:.2f}" in cells


def test_each_picture_has_a_name_a_description_and_a_table_beside_it(text, page):
    pictures = [svg for svg in page.all("svg") if svg.get("role") == "img"]
    assert len(pictures) == 4
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    for svg in pictures:
        assert set(svg["aria-labelledby"].split()) <= ids
    assert all(svg.get("aria-hidden") == "true" for svg in page.all("svg") if svg not in pictures)
    beside = text.split('<div class="beside">')[1:]
    assert len(beside) == len(pictures)
    assert all("<svg" in part and "<table" in part for part in beside)


def test_what_is_read_aloud_has_labels(page):
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("label")[0]["for"] == page.all("input")[0]["id"] == "dial"
    assert all("scope" in cell for cell in page.all("th"))
    assert all(part.get("aria-label") for part in page.all("div") if part.get("role") == "region")
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_and_lines_stand_out_from_the_paper(text, scheme):
    blocks = re.findall(r":root \{(.*?)\}", text, re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#\w{6})", blocks[0 if scheme == "light" else 1]))
    for name in ("ink", "quiet", "router", "warn"):
        assert min(contrast(colours[name], colours[back]) for back in ("paper", "card")) >= 4.5, name
    for name in ("length", "random", "oracle"):
        assert contrast(colours[name], colours["paper"]) >= 3, name


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2 defines it."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_the_verdict_stands_at_the_top_in_lines(evaluation):
    text = html_page(evaluation, verdict="Measured, not certified.\nMore prompts could.")
    assert text.index("Measured, not certified.\nMore prompts could.") < text.index("<h2>")


def test_what_makes_the_figures_worth_less_is_said(judge):
    pair = make_pair(40)
    text = html_page(judge(pair, router=make_router(pair).calibrate(pair), scores=[0.5] * 40))
    assert "40 queries say little" in text
    assert "thresholds were chosen on these very queries" in text
    assert "scored by a fit that left it out" in text


def test_a_certificate_is_told_with_its_caveats(judge):
    rows, others = make_pair(600), make_pair(1500, seed=1)
    router = make_router(rows, others).certify(others, max_drop=0.2)
    text = html_page(judge(rows, router=router))
    assert "at most 20 % lost, with 95 % confidence" in text
    assert "It is void when" in text
    assert 'id="now-quality">80 %' in text  # the level that was asked for is the one shown first
    void = router.override(certificate=make_void(router.certificate))
    text = html_page(judge(rows, router=void))
    assert "VOID: seen" in text
    assert "at most 20 % lost, with" not in text


def make_void(menu):
    return replace(menu, provenance=replace(menu.provenance, void_reason="seen"))


def test_without_thresholds_costs_tasks_or_resamples_the_page_says_so_and_stands(judge):
    pair = make_pair(task=None, cost_usd=None, usage=None, seconds=None)
    text = html_page(judge(pair, router=make_router(pair), repetitions=0))
    assert "no thresholds for this pair" in text
    assert "does not say what both models" in text
    assert "By task" not in text
    assert "(95 % interval)" not in text
    assert 'type="range"' not in text


@pytest.mark.parametrize("quality", [(1.0, 0.0), (0.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
def test_pairs_without_any_difference_have_a_page_too(judge, quality):
    pair = make_pair(30, quality=dict(zip(("tiny:1b", "big"), ([q] for q in quality), strict=True)))
    text = html_page(judge(pair, router=make_router(pair).calibrate(pair), repetitions=5))
    assert "nan" not in re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.DOTALL).lower()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dollars", "written"),
    [
        (0.0, "$0.00"),
        (4.1, "$4.10"),
        (1234.5, "$1,234.50"),
        (0.0123, "$0.012"),
        (-2.5, "-$2.50"),
        (1e-9, "under $0.0001"),
    ],
)
def test_dollars_are_written_as_people_write_them(judge, dollars, written):
    found = judge(make_pair(30), repetitions=0)
    points = tuple(replace(point, usd_per_1000=dollars, saved_usd_per_1000=dollars) for point in found.points)
    money = html_page(replace(found, points=points))
    assert f'id="now-saved">{written}<' in money


def test_one_row_is_enough_for_a_page(judge):
    pair = make_pair(1)
    assert "1 queries say little" in html_page(judge(pair, router=make_router(pair).calibrate(pair), repetitions=5))


def test_wrong_places_are_refused_with_a_reason(evaluation, tmp_path):
    with pytest.raises(HybridLLMError, match=r"must end in \.html"):
        write_page(tmp_path / "report.pdf", evaluation)
    with pytest.raises(HybridLLMError, match="there is no folder"):
        write_page(tmp_path / "no" / "report.html", evaluation)
    (tmp_path / "taken.html").mkdir()
    with pytest.raises(HybridLLMError, match="it is a folder"):
        write_page(tmp_path / "taken.html", evaluation)


def test_a_query_that_is_not_whole_text_does_not_stop_the_page(judge, tmp_path):
    pair = make_pair()
    object.__setattr__(pair, "queries", tuple(f"half a character \ud83d {i}" for i in range(300)))
    write_page(tmp_path / "r.html", judge(pair, router=make_router(pair).calibrate(pair)), with_texts=True)
    assert "half a character ?" in (tmp_path / "r.html").read_text()


def test_without_jinja_the_extra_is_named(monkeypatch, evaluation, tmp_path):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hybrid-llm\[report\]'"):
        write_page(tmp_path / "r.html", evaluation)
    with pytest.raises(MissingExtraError, match=r"pip install 'hybrid-llm\[report\]'"):
        html_page(evaluation)
