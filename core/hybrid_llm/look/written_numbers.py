r"""The number that a text gives as its final answer, and when two of them are the same.

Read are signs, thousands separators (``1,000``, ``1 000``, ``1'000``, ``1.000,50``), decimal commas, percent,
currencies, fractions (``3/4``, ``1 1/2``, ``\frac{3}{4}``), powers of ten (``1.2e5``, ``1.2 x 10^5``), "2 million" and,
where a text holds no digit, English words. Clock times are no numbers.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from typing import Final, NamedTuple

from hybrid_llm.look.number_words import numbers_in_words
from hybrid_llm.look.spans import bold, boxed, marked, without_thoughts
from hybrid_llm.look.units import Unit, unit_of


class Number(NamedTuple):
    """A number as it was written: its value, how many decimals it shows, whether in percent, and its unit if known."""

    value: Fraction
    decimals: int | None = None
    percent: bool = False
    unit: Unit | None = None


MAX_EXPONENT: Final = 400
MAX_DIGITS: Final = 400
TOLERANCE: Final = Fraction(1, 10**6)

_SUPER: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SCALES: Final = {
    "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "k": 10**3, "K": 10**3, "M": 10**6, "mn": 10**6, "bn": 10**9, "B": 10**9,
}  # fmt: skip
_CURRENCY: Final = r"(?:\\?\$|[€£¥₹]|\b(?:USD|EUR|GBP|US\$))"
_DIGITS: Final = r"""
    (?: [1-9]\d{0,2} (?P<sep>[,'\u2019\ ]) \d{3} (?: (?P=sep)\d{3} ){0,9} (?!\d) (?:\.\d+)?     # 1,000  1 000  1'000.5
      | [1-9]\d{0,2} (?:\.\d{3}){1,9} ,\d+ (?!\d)                                             # 1.000,50
      | [1-9]\d{0,2} (?:\.\d{3}){2,9} (?![\d.])                                            # 1.000.000
      | [1-9]\d? (?:,\d{2}){1,9} ,\d{3} (?!\d) (?:\.\d+)?                                    # 1,00,000
      | (?<!\d,) \d+ ,\d+ (?!,?\d)                                                        # 0,5
      | \d+ (?:\.\d+)? | \.\d+ )
"""
_NUMBER: Final = re.compile(
    rf"""
    (?<![\w.^])                                                    # no 2 of H2O, no 4 of 3.1.4, no exponent
    (?P<sign> (?: (?<![)\]}}%]) (?<!\d\ ) [-\u2013] | \b(?:minus|negative)\s ) (?={_CURRENCY}?\s?[\d.]) )?
    (?P<money> {_CURRENCY}\s? )? (?P<sign2> -(?=[\d.]) )?
    (?: (?P<clock> \d{{1,2}}:\d\d (?::\d\d)? ) | (?P<power> 10 (?:\^|\*\*) \{{?(?P<exp0>[-+]?\d+)\}}? )
      | (?P<whole>\d+) \s (?P<over>\d+) \s?/\s? (?P<under>\d+) (?![\d/.])
      | (?P<digits>{_DIGITS})
        (?: [eE](?P<exp1>[-+]?\d+)(?!\w)
          | \s?(?:[x\u00d7*·]|\\times|\\cdot)\s?10(?:\^|\*\*)\{{?(?P<exp2>[-+]?\d+)\}}? )?
        (?: \s?/\s? (?P<divisor>\d+(?:\.\d+)?) (?![\d/]) )? )
    (?: \s?(?P<percent> \\?% | (?:percent|per\scent|pct)\b )
      | \s(?P<scale> thousand|million|billion|trillion )\b | (?P<suffix> k|K|mn|bn|M|B )\b )?
    (?: (?:\ {{0,3}}|-) (?P<unit>[A-Za-z]+)\b )?
    """,
    re.VERBOSE,
)
_DIGIT: Final = re.compile(r"\d")
_FRACTION: Final = re.compile(r"\\[dt]?frac\s*\{\s*(-?[\d.]+)\s*\}\s*\{\s*([\d.]+)\s*\}|\\[dt]?frac\s*(\d)\s*(\d)")
_LISTED: Final = re.compile(r"^[ \t]*\d{1,2}[.)][ \t]+(?=\S)", re.MULTILINE)
_ASIDE: Final = re.compile(r"(?<=[\w,] )(?:because|since)\b(?:[^.!?\n]|\.\d)*|\bthan\s+(?:the\s+number\s+)?[\d.,]*\d")
"""What follows an answer in its own sentence: "69 is larger than 18", "36, since 9 times 4 is 36"."""
_SENTENCE: Final = re.compile(r"(?<=[.!?;])\s|\n")
_ONLY: Final = re.compile(r"[\s$€£¥₹\\()\[\]{}*_\"'`~≈=:.,]*")


def final_number(text: str) -> Number | None:
    r"""Return the number that a text gives as its answer, or None when there is none.

    The places where a model says that this is it come first: a box, "the answer is", a text that begins with nothing
    but a number, a number in bold. Else the last number is taken, since answers follow their reasons.

    Example:
        >>> final_number("She sells 9 eggs at $2 each. **Answer: $1,800.50** a year.").value
        Fraction(3601, 2)
        >>> final_number("The answer is 3 + 4 = 7, as 4 is even.").value
        Fraction(7, 1)
        >>> final_number("None.") is None
        True
    """
    text = _readable(without_thoughts(text))
    if _DIGIT.search(text) is None:
        return _in_words(text)
    if (box := boxed(text)) and (found := _numbers(box)):
        return found[-1]
    if (said := marked(text)) and (number := _of_sentence(said)):
        return number
    plain = _LISTED.sub("", text) if len(_LISTED.findall(text)) > 1 else text  # one such line may be the answer
    if number := _alone(next((line for line in _SENTENCE.split(plain) if line.strip()), "")):
        return number
    for span in bold(text):
        if number := _alone(span.rpartition("=")[2]):
            return number
    if found := _numbers(_ASIDE.sub("", plain)) or _numbers(plain):
        return found[-1]
    return _in_words(text)


def same_number(answer: Number, reference: Number) -> bool:
    """Return whether an answer is the reference's number.

    Equal are numbers within a millionth; a decimal and the reference that it is a rounding of (or that is a rounding
    of it), from the second decimal on; 50 % and 50 or 0.5; 300 cm and 3 m. A unit on one side only says nothing.

    Example:
        >>> same_number(final_number("50 %"), final_number("0.5")), same_number(final_number("5"), final_number("5.4"))
        (True, False)
    """
    ours, theirs = answer.value, reference.value
    if answer == reference:
        return True
    if answer.unit and reference.unit and answer.unit != reference.unit:
        if answer.unit.kind != reference.unit.kind:
            return False
        return _close(ours * answer.unit.factor, theirs * reference.unit.factor)
    if answer.percent == reference.percent:
        return _close(ours, theirs) or _rounded(answer, reference)
    return any(_close(ours / a, theirs / b) for a in _scales(answer) for b in _scales(reference))


def _scales(number: Number) -> tuple[int, ...]:
    return (1, 100) if number.percent else (1,)


def _close(a: Fraction, b: Fraction) -> bool:
    ours, theirs = a.numerator * b.denominator, b.numerator * a.denominator  # as fractions, and ten times as fast
    return abs(ours - theirs) * TOLERANCE.denominator <= max(abs(ours), abs(theirs)) * TOLERANCE.numerator


def _rounded(answer: Number, reference: Number) -> bool:
    """Return whether one of the two is the other one rounded to the decimals that it shows."""
    shown = [d for d, least in ((answer.decimals, 3), (reference.decimals, 2)) if d is not None and d >= least]
    if not shown or abs(reference.value) < Fraction(1, 10):  # a few decimals of a small number say little
        return False
    return round(answer.value, min(shown)) == round(reference.value, min(shown))


def _in_words(text: str) -> Number | None:
    words = numbers_in_words(text)
    return Number(Fraction(words[-1])) if words else None


def _of_sentence(text: str) -> Number | None:
    """Return the number that follows "the answer is": the first, or the last result when it is a sum."""
    first = next((part for part in _SENTENCE.split(text) if part.strip()), "")
    found = _numbers(first.rpartition("=")[2]) or _numbers(first)
    return found[0] if found else None


def _alone(text: str) -> Number | None:
    """Return the number of a text that holds nothing else, its unit aside."""
    matches = [match for match in _NUMBER.finditer(text) if not match["clock"]]
    if len(matches) != 1:
        return None
    match = matches[0]
    around = text[: match.start()] + text[match.end() :]
    return _number(match) if _ONLY.fullmatch(around) else None


def _numbers(text: str) -> list[Number]:
    if _DIGIT.search(text) is None:
        return []
    return [number for match in _NUMBER.finditer(text) if not match["clock"] and (number := _number(match))]


def _readable(text: str) -> str:
    """Write a text's numbers in plain signs: no LaTeX, no vulgar fractions, one kind of minus and space."""
    if not text.isascii():
        text = re.sub(r"10([⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda m: "10^" + m[1].translate(_SUPER), text)
        text = re.sub(r"([¼-¾⅐-⅞])", r" \1", text)
        text = unicodedata.normalize("NFKC", text).replace("\u2044", "/").replace("\u2212", "-")
    text = text.replace("{,}", ",")
    if "\\" not in text:
        return text
    text = text.replace("\\!", "")
    text = re.sub(r"\\,(?=\d)", ",", text).replace("\\,", " ")
    text = re.sub(r"\\(?:text|mathrm|mathbf|textbf)\s*\{([^{}]*)\}", r" \1 ", text)
    return _FRACTION.sub(lambda m: f" {m[1] or m[3]}/{m[2] or m[4]}", text)


def _number(match: re.Match[str]) -> Number | None:
    if match[0].isdecimal() and len(match[0]) <= MAX_DIGITS:  # most numbers
        return Number(Fraction(int(match[0])), 0)
    exponent = int(match["exp0"] or match["exp1"] or match["exp2"] or 0) if len(match[0]) <= MAX_DIGITS else None
    if exponent is None or abs(exponent) > MAX_EXPONENT:
        return None
    decimals = None
    if match["power"]:
        value = Fraction(10) ** exponent
    elif match["whole"]:
        over, under = int(match["over"]), int(match["under"])
        if not under:
            return None
        value = int(match["whole"]) + Fraction(over, under)
    else:
        written = _plain_digits(match["digits"])
        value = Fraction(int(written)) if written.isdecimal() else Fraction(written)
        if exponent:
            value *= Fraction(10) ** exponent
        decimals = len(written.partition(".")[2]) if not exponent and not match["divisor"] else None
        if match["divisor"]:
            divisor = Fraction(match["divisor"])
            if not divisor:
                return None
            value /= divisor
    scale = match["scale"] or _suffix(match)
    if scale:
        value, decimals = value * _SCALES[scale], None
    if match["sign"] or match["sign2"]:
        value = -value
    unit = unit_of(match["unit"]) if match["unit"] and not match["money"] else None
    return Number(value, decimals, percent=bool(match["percent"]), unit=unit)


def _suffix(match: re.Match[str]) -> str | None:
    """Return the k of 5k; the M, bn and B are read beside a currency alone, since 5M may be metres."""
    suffix: str | None = match["suffix"]
    return suffix if suffix and (match["money"] or suffix.lower() == "k") else None


def _plain_digits(text: str) -> str:
    """Return digits with at most one point, which stands before the decimals."""
    if text.isdecimal():
        return text
    if match := re.fullmatch(r"(\d{1,3}(?:\.\d{3})+)(?:,(\d+))?", text):
        groups, decimals = match.groups()
        if decimals or groups.count(".") > 1:
            return groups.replace(".", "") + (f".{decimals}" if decimals else "")
    if re.fullmatch(r"\d+,\d+", text) and not re.fullmatch(r"[1-9]\d{0,2},\d{3}", text):
        return text.replace(",", ".")
    return re.sub(r"[,'\u2019 ]", "", text)
