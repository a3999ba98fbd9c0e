"""What every page is made with: its templates, how it writes numbers, and how it is written to disk."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hybrid_llm.certify import percent
from hybrid_llm.errors import HybridLLMError, MissingExtraError
from hybrid_llm.report.figures import tenths
from hybrid_llm.report.levels import OperatingPoint

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATES: Final = Path(__file__).parent / "page"


def check_page(path: Path) -> None:
    """Find out, before any work is done, whether a page can be made and kept.

    Raises:
        HybridLLMError: The file does not end in .html, is a folder, or its folder does not exist.
        MissingExtraError: jinja2 is not installed.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise HybridLLMError(f"{path} must end in .html.")
    if not path.parent.is_dir():
        raise HybridLLMError(f"Cannot write {path}: there is no folder {path.parent}; make it first.")
    if path.is_dir():
        raise HybridLLMError(f"Cannot write {path}: it is a folder; name a file.")
    if importlib.util.find_spec("jinja2") is None:
        raise MissingExtraError.of("A report", "report")


def write_text(path: Path, text: str) -> None:
    """Write a page; a file that is there is overwritten.

    Raises:
        HybridLLMError: It cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8", errors="replace")  # a query may hold half a character
    except OSError as error:
        raise HybridLLMError(f"Cannot write {path}: {error.strerror or error}.") from error


def page_template(name: str) -> Template:
    """Return the template of a page.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError:
        raise MissingExtraError.of("A report", "report") from None
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,  # names, tasks, queries and the verdict are the user's: text, never markup
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        interval=_interval, proof=_proof, seconds=_seconds, share=percent, short=_short, tenths=_tenths, usd=usd,
        whole=_whole,
    )  # fmt: skip
    return environment.get_template(name)


def inline(name: str) -> dict[str, Any]:
    """Return a file that stands in the page, with the hash by which the page allows it and nothing else."""
    from markupsafe import Markup

    text = (_TEMPLATES / name).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {"text": Markup(text), "hash": f"sha256-{digest}"}  # noqa: S704 - our own file, not the user's text


def _proof(point: OperatingPoint) -> str:
    return "certified" if point.certified else "measured only"


def _short(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def _tenths(share: float | None) -> str:
    return "-" if share is None else tenths(share)


def _interval(ends: Sequence[float] | None) -> str:
    return "-" if ends is None else f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f} %"


def usd(dollars: float | None) -> str:
    """Write an amount of dollars; a dash for one that is unknown."""
    if dollars is None:
        return "-"
    sign, amount = "-" if dollars < 0 else "", abs(dollars)
    if 0 < amount < 0.0001:
        return f"under {sign}$0.0001"
    return f"{sign}${amount:{',.2f' if amount == 0 or amount >= 0.1 else '.2g'}}"


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3g}"


def _whole(count: float | None) -> str:
    return "-" if count is None else f"{count:,.0f}"
