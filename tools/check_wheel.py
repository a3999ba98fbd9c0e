"""Check what a user installs: build it, look into it, install it into empty environments, and use each extra alone.

    python tools/check_wheel.py                        # what CI can run: base and the light extras, this Python
    python tools/check_wheel.py --extras all           # every extra, torch too
    python tools/check_wheel.py --pythons python3.12 python3.13 --write docs/measured/install.md

It needs the extra ``dist`` (``build`` and ``twine``). Each extra gets an environment of its own: a copy of the one with
nothing but the wheel, so that what an extra forgets to ask for is missing there. ``agents`` is tried a second time with
LangChain's oldest versions that ``pyproject.toml`` allows. Environments are built under a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOST = 30_000_000
"""Bytes that the wheel may have."""
IN_THE_WHEEL = ("hybrid_llm/py.typed", "hybrid_llm/pretrained/encoder.onnx", "hybrid_llm/pretrained/router/router.json")
IN_THE_SDIST = (
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "pyproject.toml",
    "tests/conftest.py",
    "docs/guide/langchain.md",
)
FAKES = """
from hybrid_llm.testing import FixedScorer
from langchain_core.language_models import FakeListChatModel
small, large = FakeListChatModel(responses=["4"]), FakeListChatModel(responses=["QED"])
scorer = FixedScorer({"2+2?": 0.9}, default=0.1)
"""
ROWS = """
import pathlib, tempfile
from hybrid_llm import QualityTable
folder = pathlib.Path(tempfile.mkdtemp())
rows = [
    {"query": f"question {i} on {'sums' if i % 2 else 'poems'}", "quality": {"a": [i % 2], "b": [1.0]}, "split": split}
    for i in range(120) for split in ["train" if i % 4 else "validation"]
]
import json
(folder / "table.jsonl").write_text("\\n".join(map(json.dumps, rows)))
"""
AGENT = f"""{FAKES}
from langchain.agents import create_agent
from langchain_hybrid import HybridRouterMiddleware
agent = create_agent(large, middleware=[HybridRouterMiddleware(small, large, scorer, threshold=0.5)])
assert agent.invoke({{"messages": [("user", "2+2?")]}})["messages"][-1].text == "4"
"""
USES = {
    "base": """
from hybrid_llm import Router
assert Router.load().decide("What is 2+2?", cost_advantage=0.5).route in ("small", "large")
import subprocess, sys
subprocess.run([sys.executable, "-m", "hybrid_llm.cli", "demo"], check=True, capture_output=True)
""",
    "train": f"""{ROWS}
from hybrid_llm.cli import main
import sys
table, router = str(folder / "table.jsonl"), str(folder / "router")
sys.argv = ["hybrid-llm", "train", table, "--small", "a", "--large", "b", "--out", router]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
""",
    "parquet": f"""{ROWS}
from hybrid_llm.table import write_table
table = QualityTable.read(folder / "table.jsonl")
write_table(table, folder / "table.parquet")
assert len(QualityTable.read(folder / "table.parquet")) == len(table)
""",
    "langchain": f"""{FAKES}
from langchain_hybrid import ChatHybrid, RunnableHybrid
assert ChatHybrid(small, large, scorer, threshold=0.5).invoke("2+2?").text == "4"
assert RunnableHybrid(small, large, scorer, threshold=0.5).invoke("Prove it.").text == "QED"
""",
    "agents": AGENT,
    "llamaindex": """
from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM
from llamaindex_hybrid.testing import FakeLLM
llm = HybridLLM(FakeLLM(model="a"), FakeLLM(model="b"), FixedScorer({"2+2?": 0.9}, default=0.1), threshold=0.5)
assert [llm.complete(text).text for text in ("2+2?", "Prove it.")] == ["from a", "from b"]
""",
    "ollama": "from hybrid_llm.collect import ModelName, client_of; client_of(ModelName.read('ollama:a'))",
    "openai": """
from hybrid_llm.collect import ModelName, client_of
client_of(ModelName.read("openai:a@http://127.0.0.1:1/v1"))
""",
    "collect": """
import asyncio
from hybrid_llm.collect import ModelName, client_of
from hybrid_llm.prices import Prices
for name in ("ollama:a", "openai:gpt-4o@http://127.0.0.1:1/v1"):
    client_of(ModelName.read(name))
Prices().of("gpt-4o", "https://api.openai.com/v1")
import math_verify
""",
    "observe": "from hybrid_llm.observe import OpenTelemetry; OpenTelemetry()",
    "report": f"""{ROWS}
import jinja2, matplotlib
from hybrid_llm.cli import main
import sys
sys.argv = ["hybrid-llm", "report", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
""",
    "litellm": """
from litellm_hybrid import HybridRouting
models = [{"model_name": name, "litellm_params": {"model": f"openai/{name}"}} for name in ("a", "b")]
HybridRouting({"small": "a", "large": "b", "cost_advantage": 0.4}, models)
""",
    "ray": """
import pathlib, tempfile
from hybrid_llm import Router
import pyarrow as pa, pyarrow.parquet as pq
folder = pathlib.Path(tempfile.mkdtemp())
pq.write_table(pa.table({"query": ["2+2?", "Prove it."]}), folder / "rows.parquet")
done = Router.load().score_table(folder / "rows.parquet", folder / "scores", engine="ray", workers=1)
assert done.rows == 2
""",
    "examples": "import langchain_ollama, langchain_openai, llama_index.llms.ollama, llama_index.llms.openai_like",
    "finetune": "import torch, transformers, accelerate, onnx, onnxscript, sentencepiece, hybrid_llm.training",
}
HEAVY = ("finetune",)
"""Extras with torch, left out unless they are asked for."""


def main() -> None:
    """Check, say what was found, and end with an error where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extras", nargs="*", help="which ones, or: all; by default all but those with torch")
    parser.add_argument("--pythons", nargs="*", default=[], help="more interpreters to install the base with")
    parser.add_argument("--write", type=Path, help="write the page of sizes there")
    asked = parser.parse_args()
    extras = [name for name in USES if name != "base" and name not in HEAVY]
    if asked.extras is not None:
        extras = [name for name in USES if name != "base"] if asked.extras == ["all"] else asked.extras
    if untried := sorted(extras_of_users() - set(USES)):
        raise SystemExit(f"nothing here uses the extra {', '.join(untried)}; write into USES what it is for")
    with tempfile.TemporaryDirectory(prefix="hybrid-wheel-") as scratch:
        rows = check(Path(scratch), extras, asked.pythons)
    left = [name for name in HEAVY if name not in extras]
    print(f"not tried: {', '.join(left)} (with torch); --extras all tries it" if left else "every extra was tried")
    if asked.write:
        asked.write.write_text(page(rows), encoding="utf-8")


def check(scratch: Path, extras: list[str], pythons: list[str]) -> list[tuple[str, str, float, int]]:
    """Return for each environment its name, its Python, its megabytes and the packages in it."""
    started = time.monotonic()
    run(sys.executable, "-m", "build", "--outdir", str(scratch / "dist"), str(ROOT))
    (wheel,), (sdist,) = scratch.glob("dist/*.whl"), scratch.glob("dist/*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist))
    look_into(wheel, sdist)
    rows = [("wheel, as it is downloaded", "any", wheel.stat().st_size / 1e6, 1)]
    for python in dict.fromkeys([sys.executable, *pythons]):
        base = scratch / f"base-{len(rows)}"
        run(python, "-m", "venv", str(base))
        rows.append(installed(base, str(wheel), "base"))
        if python != sys.executable:
            continue
        for extra in extras:
            place = copied(base, scratch / extra)
            rows.append(installed(place, f"{wheel}[{extra}]", extra))
            if extra == "agents":
                run(python_of(place), "-m", "pip", "install", "-q", *oldest("langchain", "agents"))
                use(place, "agents", AGENT, "LangChain's oldest")
            shutil.rmtree(place)
    print(f"all of it works, after {time.monotonic() - started:.0f} s")
    return rows


def look_into(wheel: Path, sdist: Path) -> None:
    """Refuse archives that are too large, or lack what belongs in them, or hold what does not."""
    with zipfile.ZipFile(wheel) as inside:
        names = set(inside.namelist())
    with tarfile.open(sdist) as inside_sdist:
        sources = {name.partition("/")[2] for name in inside_sdist.getnames()}
    missing = [name for name in IN_THE_WHEEL if name not in names] + [
        name for name in IN_THE_SDIST if name not in sources
    ]
    strange = sorted({name.partition("/")[0] for name in names} - packages())
    if wheel.stat().st_size > MOST or missing or strange:
        raise SystemExit(f"{wheel.name}: {wheel.stat().st_size} bytes; missing: {missing}; out of place: {strange}")
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB; {sdist.name}: {sdist.stat().st_size / 1e6:.1f} MB")
    links = relative_links((ROOT / "README.md").read_text(encoding="utf-8"))
    if links:
        print(f"README.md: {len(links)} relative links, such as {links[0]}: on a package index they lead nowhere")


def packages() -> set[str]:
    """Return the top folders that belong in the wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {Path(path).name for path in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    return folders | {f"hybrid_llm-{project['project']['version']}.dist-info"}


def extras_of_users() -> set[str]:
    """Return the extras that add one thing; ``all``, ``dev`` and ``dist`` are for those who work on this."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return set(project["optional-dependencies"]) - {"all", "dev", "dist"}


def relative_links(text: str) -> list[str]:
    """Return the links of a Markdown text that are no whole addresses.

    Example:
        >>> relative_links("[a](docs/a.md) [b](https://b.example) [c](#c)")
        ['docs/a.md']
    """
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:|#", link)]


def oldest(*extras: str) -> Iterator[str]:
    """Yield the oldest versions of LangChain's packages that these extras allow."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra in extras:
        for needed in project["optional-dependencies"][extra]:
            if found := re.match(r"(langchain[a-z-]*)>=([\d.]+)", needed):
                yield f"{found[1]}=={found[2]}" + ("" if found[2].count(".") == 2 else ".*")


def copied(base: Path, place: Path) -> Path:
    """Return a copy of an environment, made of links."""
    shutil.copytree(base, place, copy_function=os.link, symlinks=True)
    return place


def installed(place: Path, what: str, name: str) -> tuple[str, str, float, int]:
    """Install something into an environment and use it; return its row of the page."""
    python = python_of(place)
    run(python, "-m", "pip", "install", "-q", what)
    run(python, "-m", "pip", "check")
    use(place, name, USES[name])
    listed = run(python, "-m", "pip", "list", "--format", "freeze").splitlines()
    packages = [line for line in listed if line.partition("==")[0] not in ("pip", "setuptools", "wheel")]
    version = run(python, "-c", "import platform; print(platform.python_version())").strip()
    return name, version, sum(sizes(place)), len(packages)


def sizes(place: Path) -> Iterator[float]:
    """Yield the megabytes of what is installed in an environment, without pip and compiled Python."""
    for path in place.glob("lib/python*/site-packages/**/*"):
        tools = path.relative_to(place).parts[3].startswith(("pip", "setuptools"))
        if path.is_file() and not tools and path.suffix != ".pyc":
            yield path.stat().st_size / 1e6


def use(place: Path, name: str, code: str, how: str = "alone") -> None:
    """Run a program in an environment, away from this checkout."""
    run(python_of(place), "-W", "ignore", "-c", code, cwd=place)
    print(f"{name}, {how}: works", flush=True)


def python_of(place: Path) -> str:
    """Return the interpreter of an environment."""
    return str(place / "bin" / "python")


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a command and return what it says; end with its words where it fails."""
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=clean)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)[:200]}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def page(rows: list[tuple[str, str, float, int]]) -> str:
    """Return the page of sizes."""
    (_, _, wheel, _), *environments = rows
    lines = [f"| {name} | {python} | {size:.0f} | {n} |" for name, python, size, n in environments]
    return "\n".join(
        [
            "# What is installed",
            "",
            f"The wheel has {wheel:.1f} MB, nearly all of it the shipped encoder and router. It was installed into",
            "empty environments, each extra alone, and used there. Megabytes are those on the disk without pip and",
            "without compiled Python; packages are those that come, this one with them.",
            "",
            "| what | Python | MB | packages |",
            "|---|---|---|---|",
            *lines,
            "",
            f"Made by `python tools/check_wheel.py {' '.join(map(_said, sys.argv[1:]))}`",
            f"on {datetime.now(UTC):%Y-%m-%d}, on Linux, with the newest versions that resolved on that day.",
            "",
        ]
    )


def _said(argument: str) -> str:
    """Return an argument as anybody would type it: a Python by its name alone."""
    return Path(argument).name if Path(argument).is_absolute() else argument


if __name__ == "__main__":
    main()
