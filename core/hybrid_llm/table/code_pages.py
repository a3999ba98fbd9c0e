"""Which old code page a text was saved in: a guess for the message that says how to convert it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple


class CodePage(NamedTuple):
    """A code page: what people call it, its names for ``iconv`` and for Python, and what is written in it.

    Args:
        title: What people call it.
        iconv: Its name for ``iconv``.
        codec: Its name for Python.
        common: Whether a letter, given with its neighbours, is one that people write in it.
        least: The share of such letters beyond ASCII from which on the code page is named.
    """

    title: str
    iconv: str
    codec: str
    common: Callable[[str, str, str], bool]
    least: float


def _latin(title: str, iconv: str, codec: str, letters: str) -> CodePage:
    """Accented letters stand among plain ones, and a capital does not follow a small letter."""
    known = frozenset(
        letters + letters.upper() + "\u2018\u2019\u201a\u201c\u201d\u201e\u2013\u2014\u2026\u2022€§°«»\xa0"
    )

    def common(before: str, letter: str, after: str) -> bool:
        alone = before.isascii() or after.isascii()
        return letter in known and alone and not (letter.isupper() and before.islower())

    return CodePage(title, iconv, codec, common, 0.75)


def _alphabet(title: str, iconv: str, codec: str, letters: str) -> CodePage:
    """Letters of another alphabet do not stand beside those of ASCII within a word."""
    known = frozenset(letters)

    def common(before: str, letter: str, after: str) -> bool:
        within = not (before.isascii() and after.isascii())  # a single letter says nothing
        return letter in known and within and not any(near.isascii() and near.isalpha() for near in (before, after))

    return CodePage(title, iconv, codec, common, 0.75)


def _double(title: str, iconv: str, codec: str, first: int, last: int, second: int, least: float) -> CodePage:
    """The frequent signs of a code page of two bytes a sign stand together: their first bytes are near each other."""

    def common(before: str, letter: str, after: str) -> bool:
        spelled = letter.encode(codec)
        return first <= spelled[0] <= last and len(spelled) == 2 and spelled[1] >= second

    return CodePage(title, iconv, codec, common, least)


_PAGES: Final = (
    _latin("Windows-1252", "CP1252", "cp1252", "àâäáãåæçéèêëíìîïñóòôöõøœúùûüß¿¡ºª£©®™·½²³"),
    _latin("Mac Roman", "MACINTOSH", "mac_roman", "àâäáãåçéèêëíîïñóôöõøúùûüß¿¡£©®™"),
    _latin("Windows-1250", "CP1250", "cp1250", "ąćęłńóśźżáčďéěíňřšťúůýžőűöüäâîăşţđ"),
    _alphabet("Windows-1251", "CP1251", "cp1251", "абвгдеёжзийклмнопрстуфхцчыьэюяіїє"),
    _alphabet("KOI8-R", "KOI8-R", "koi8_r", "абвгдеёжзийклмнопрстуфхцчыьэюя"),
    _alphabet("Windows-1255", "CP1255", "cp1255", "".join(map(chr, range(0x05D0, 0x05EB)))),
    _alphabet("Windows-1253", "CP1253", "cp1253", "αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώ"),
    _alphabet("Windows-1256", "CP1256", "cp1256", "".join(map(chr, range(0x0621, 0x064B)))),
    _double("Shift JIS", "CP932", "cp932", 0x82, 0x83, 0x40, 0.4),  # half of Japanese is kana
    _double("Korean code page 949", "CP949", "cp949", 0xB0, 0xC8, 0xA1, 0.95),
    _double("GBK (GB 18030)", "GB18030", "gb18030", 0xA1, 0xD7, 0xA1, 0.8),
    _double("Big5", "BIG5", "big5", 0xA1, 0xC6, 0x40, 0.8),
    _alphabet("Windows-874", "CP874", "cp874", "".join(map(chr, range(0x0E01, 0x0E4F)))),
)


def likely_code_page(text: bytes) -> CodePage | None:
    """Guess the code page of a text that is not UTF-8.

    Args:
        text: A line or so of it.

    Returns:
        The code page in which the letters beyond ASCII make most sense, or None when they do in none.

    Example:
        >>> likely_code_page("Où est le café ?".encode("cp1252")).title
        'Windows-1252'
    """
    shares = {page: _share(text, page) for page in _PAGES}
    fitting = [page for page in _PAGES if shares[page] >= page.least]
    return max(fitting, key=lambda page: shares[page], default=None)


def _share(text: bytes, page: CodePage) -> float:
    """Return the share of the letters beyond ASCII that are common in a code page."""
    try:
        letters = f" {text.decode(page.codec)} "
    except UnicodeDecodeError:
        return 0.0
    beyond = [i for i, letter in enumerate(letters) if not letter.isascii()]
    return sum(page.common(letters[i - 1], letters[i], letters[i + 1]) for i in beyond) / len(beyond) if beyond else 0.0
