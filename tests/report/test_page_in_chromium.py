"""The report page in a browser: it opens from a file, its dial moves the figures, it fits a phone, it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybrid_llm.report import write_page
from tests.report.chromium import PROGRAM, Browser, chromium
from tests.report.conftest import make_pair, make_router
from tests.report.test_html_page import ATTACK

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no chromium here: apt-get install chromium"),
]
FIGURES = ("quality", "share", "drop", "interval", "usd", "saved", "proof")
SIZES = {"phone": {"width": 360, "height": 740, "phone": True}, "desktop": {"width": 1280, "height": 900}}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture(scope="module")
def page(evaluation, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("page") / "report.html"
    write_page(file, evaluation, verdict="Measured, not certified.")
    return file


def shown(browser: Browser) -> dict[str, str]:
    """Return the figures beside the dial, and where the point of the picture is."""
    figures = {name: browser.run(f"document.getElementById('now-{name}').textContent.trim()") for name in FIGURES}
    return figures | {at: browser.run(f"document.getElementById('now').getAttribute('{at}')") for at in ("cx", "cy")}


def turn(browser: Browser, to: int) -> None:
    browser.run(f"dial.value = {to}; dial.dispatchEvent(new Event('input', {{bubbles: true}}))")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dark", [False, True])
def test_it_opens_from_a_file_without_a_complaint_and_asks_for_nothing_else(browser, page, size, dark, tmp_path):
    browser.open(page, **SIZES[size], dark=dark)
    assert browser.complaints == []
    assert browser.requests == [page.resolve().as_uri()]
    browser.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 20_000
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") is not dark


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_wider_than_the_screen_but_tables_that_scroll(browser, page, size):
    browser.open(page, **SIZES[size])
    assert browser.run("document.documentElement.scrollWidth") <= SIZES[size]["width"]
    too_wide = "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll') && "
    too_wide += "e.getBoundingClientRect().right > innerWidth + 1).length"
    assert browser.run(too_wide) == 0


def test_on_a_phone_the_pictures_can_be_read(browser, page):
    browser.open(page, **SIZES["phone"])
    smallest = "Math.min(...[...document.querySelectorAll('figure svg[role=img] text')].map(t => "
    smallest += "parseFloat(getComputedStyle(t).fontSize) * Math.hypot(t.getScreenCTM().a, t.getScreenCTM().b)))"
    assert browser.run(smallest) >= 9.5


def test_the_dial_moves_the_figures_and_the_point(browser, page, evaluation):
    browser.open(page, **SIZES["desktop"])
    last = len(evaluation.points) - 1
    assert browser.run("dial.max") == str(last)
    seen = []
    for index, point in enumerate(reversed(evaluation.points)):
        turn(browser, index)
        figures = shown(browser)
        assert figures["share"] == f"{100 * point.cost_advantage:.1f} %"
        assert figures["drop"] == f"{100 * point.drop:.1f} %"
        assert figures["usd"].removeprefix("$") == f"{point.usd_per_1000:.2f}"
        assert figures["proof"] == "measured only"
        seen.append((figures["cx"], figures["cy"]))
    assert len(set(seen)) > 5
    assert [float(x) for x, _ in seen] == sorted((float(x) for x, _ in seen), reverse=True)  # more quality, less saved
    assert browser.complaints == []


def test_the_dial_listens_to_the_keyboard_and_says_where_it_is(browser, page):
    browser.open(page, **SIZES["desktop"])
    before = shown(browser)
    browser.run("dial.focus()")
    for kind in ("rawKeyDown", "keyUp"):
        browser.send("Input.dispatchKeyEvent", type=kind, key="Home", code="Home", windowsVirtualKeyCode=36)
    after = shown(browser)
    assert after["quality"] != before["quality"]
    said = browser.run("dial.getAttribute('aria-valuetext')")
    assert said == f"keep {after['quality']}: {after['share']} go to small"


def test_the_dial_starts_where_the_page_was_written(browser, page, evaluation):
    browser.open(page, **SIZES["desktop"])
    point = evaluation.at(0.95)
    assert shown(browser)["quality"] == "95 %"
    assert shown(browser)["share"] == f"{100 * point.cost_advantage:.1f} %"


def test_without_scripts_the_figures_stand_and_the_levels_are_a_table(browser, page, evaluation):
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page, **SIZES["phone"])
        assert browser.run("getComputedStyle(document.querySelector('.dial')).display") == "none"
        assert shown(browser)["quality"] == "95 %"
        assert browser.run("document.querySelectorAll('#levels tbody tr').length") == len(evaluation.points)
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


def test_a_query_with_a_script_in_it_does_not_run(browser, judge, tmp_path):
    pair = make_pair(small=ATTACK)
    object.__setattr__(pair, "queries", tuple(f"{ATTACK} {i}" for i in range(300)))
    object.__setattr__(pair, "tasks", (ATTACK, "other") * 150)
    found = judge(pair, router=make_router(pair).calibrate(pair), source=ATTACK)
    write_page(tmp_path / "r.html", found, verdict=ATTACK, with_texts=True)
    browser.open(tmp_path / "r.html", **SIZES["desktop"])
    assert browser.run("typeof window.hacked") == "undefined"
    assert ATTACK in browser.run("document.querySelector('blockquote').textContent")
    assert browser.complaints == []
    turn(browser, 3)
    assert browser.run("typeof window.hacked") == "undefined"


def test_even_a_script_that_got_into_the_page_is_not_allowed_to_run(browser, page, tmp_path):
    broken = page.read_text().replace("<main>", "<main><script>window.hacked = 1</script>")
    (tmp_path / "broken.html").write_text(broken)
    browser.open(tmp_path / "broken.html", **SIZES["desktop"])
    assert browser.run("typeof window.hacked") == "undefined"
    assert "Content Security Policy" in browser.complaints[0]  # which also shows that complaints are heard


def test_it_prints_on_paper_in_dark_ink(browser, page, tmp_path):
    browser.open(page, **SIZES["desktop"], dark=True)
    browser.pdf(tmp_path / "page.pdf")
    printed = (tmp_path / "page.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    browser.send("Emulation.setEmulatedMedia", media="print")
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.run("getComputedStyle(document.querySelector('.dial')).display") == "none"
    browser.send("Emulation.setEmulatedMedia", media="")
