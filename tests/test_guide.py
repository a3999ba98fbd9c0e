"""The guide: each page is short, begins with its task, leads somewhere, and its program runs."""

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[1] / "docs" / "guide"
PAGES = {page.stem: page.read_text(encoding="utf-8") for page in sorted(GUIDE.glob("*.md"))}
LONGEST = 200


def test_each_page_can_be_read_in_one_go():
    assert {name: text.count("\n") for name, text in PAGES.items() if text.count("\n") >= LONGEST} == {}


def test_each_link_of_the_guide_leads_to_a_page_and_to_a_heading_of_it():
    broken = []
    for name, text in PAGES.items():
        for target, _, heading in re.findall(r"\]\(([^)#\s]+)(#([^)\s]+))?\)", text):
            page = GUIDE / target
            if target.startswith("https://"):
                continue
            if not page.exists() or (heading and heading not in headings_of(page)):
                broken.append(f"{name}: {target}#{heading}")
    assert broken == []


def headings_of(page):
    """Return the anchors that a page's headings have."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_index_names_each_page():
    assert {name for name in PAGES if name != "README" and f"({name}.md)" not in PAGES["README"]} == set()


@pytest.mark.filterwarnings("ignore:The threshold for quality", "ignore:A query is unlike", "ignore:small is down")
@pytest.mark.parametrize(
    "name", ["start", "levels", "languages", "how-it-works", "faq", "when-it-breaks", "settings", "testing"]
)
def test_the_program_of_the_page_runs(name, monkeypatch, capsys):
    from langchain_core.language_models import FakeListChatModel

    if name == "start":
        for module, model in (("langchain_ollama", "ChatOllama"), ("langchain_openai", "ChatOpenAI")):
            monkeypatch.setattr(f"{module}.{model}", lambda model: FakeListChatModel(responses=[model]))
    run(name)
    if name == "when-it-breaks":
        assert capsys.readouterr().out == "Lima. fallback\n"
    if name == "faq":  # easy ones to small, hard ones to large, as a reader expects
        routes = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
        assert routes == ["small", "small", "large", "large"]


def run(name):
    shown: dict = {}
    for program in re.findall(r"```python\n(.*?)```", PAGES[name], flags=re.DOTALL):
        exec(program, shown)
    assert shown
