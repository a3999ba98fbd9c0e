"""A ready function for ``private=``: does a text hold a secret or personal data of a common kind?

It is a help and no guarantee. It knows forms, not meanings: it finds an e-mail address and the number of a card, no
name, no illness, no salary, and no key of a service whose keys have no form of their own. Whoever needs more brings a
function of their own, such as Presidio's, by the same door: ``private=lambda text: bool(analyze(text, "en"))``.

Example:
    >>> holds_personal_data("Write to ana@example.org."), holds_personal_data("What is 2 + 2?")
    (True, False)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Final

_KEYS: Final = "|".join(
    (
        r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
        r"\bsk-(?:proj-|ant-|svcacct-|or-)?[A-Za-z0-9_-]{20,}",  # OpenAI, Anthropic, OpenRouter
        r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",  # AWS
        r"\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_[A-Za-z0-9_]{22,}",
        r"\bglpat-[A-Za-z0-9_-]{20,}",
        r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",  # Slack
        r"\bAIza[A-Za-z0-9_-]{35}",  # Google
        r"\bhf_[A-Za-z0-9]{30,}",
        r"\bnpm_[A-Za-z0-9]{36}|\bpypi-[A-Za-z0-9_-]{50,}",
        r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",  # a signed token
        r"(?i:\b(?:api[_ -]?key|secret|token|passw(?:or)?d|pwd)\b['\"]?\s*[:=]\s*['\"]?)(?=\S*\d)[^\s'\"]{8,}",
        r"(?i:\b[a-z][a-z0-9+.-]{1,15}://)[^\s:/@]{1,64}:[^\s:/@]{1,64}@",  # an address with a password
    )
)
_EMAIL: Final = r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"
_CARD: Final = (  # ahead, so that two may begin in one row of digits
    r"(?<![\d.,])(?=(\d{4}(?P<gap>[ -]?)\d{4}(?P=gap)\d{4}(?P=gap)\d{1,7}(?!\d)"
    r"|\d{4}[ -]?\d{6}[ -]?\d{4,5}(?!\d)|\d{13,19}(?!\d)))"
)
_IBAN: Final = r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}"
_COUNTRIES: Final = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
    "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 "
    "LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 "
    "QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
)
_IBAN_LENGTHS: Final = {entry[:2]: int(entry[2:]) for entry in _COUNTRIES.split()}
"""Letters and digits of an account's number, by its country."""
_PHONE: Final = (
    r"(?<![\w+])(?:\+|00)[1-9]\d{0,2}(?:[ ./-]?\(?\d{1,4}\)?){2,6}(?!\d)"
    r"|(?<![\w(])\(\d{2,5}\)[ -]?\d{3,4}[ -]\d{3,5}(?!\d)"
    r"|(?<![\d-])\d{3}[-.]\d{3}[-.]\d{4}(?![\d-])"
)


def holds_personal_data(text: str) -> bool:
    """Return whether a text holds a key, the number of a card or an account, an e-mail address or a phone number.

    Args:
        text: Any text.

    Example:
        >>> [holds_personal_data(f"My card is 4111 1111 1111 {last}.") for last in ("1111", "1112")]
        [True, False]
    """
    return any(finds(text) for finds in _FINDERS.values())


def kinds_of_personal_data(text: str) -> frozenset[str]:
    """Return which kinds a text holds: ``"key"``, ``"card"``, ``"iban"``, ``"email"``, ``"phone"``.

    Args:
        text: Any text.

    Example:
        >>> sorted(kinds_of_personal_data("IBAN GB82 WEST 1234 5698 7654 32, phone +44 20 7946 0958"))
        ['iban', 'phone']
    """
    return frozenset(kind for kind, finds in _FINDERS.items() if finds(text))


def _holds_key(text: str) -> bool:
    return _pattern(_KEYS).search(text) is not None


def _holds_email(text: str) -> bool:
    return "@" in text and _pattern(_EMAIL).search(text) is not None


def _holds_card(text: str) -> bool:
    return any(_is_card(found.group(1)) for found in _pattern(_CARD).finditer(text))


def _is_card(written: str) -> bool:
    digits = [int(digit) for digit in written if digit.isdigit()]
    return digits[0] in (2, 3, 4, 5, 6) and len(set(digits)) > 1 and _luhn(digits)


def _luhn(digits: list[int]) -> bool:
    """Return whether the last digit is the check of the others, by the rule that cards follow (Luhn's)."""
    doubled = (2 * digit - 9 if digit > 4 else 2 * digit for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _holds_iban(text: str) -> bool:
    return any(_begins_with_iban(found.group()) for found in _pattern(_IBAN).finditer(text))


def _begins_with_iban(written: str) -> bool:
    """Return whether the first letters are the number of an account, by its length and its check digits (ISO 13616)."""
    iban = written.replace(" ", "")[: _IBAN_LENGTHS.get(written[:2], 0)]
    if len(iban) != _IBAN_LENGTHS.get(written[:2]):
        return False
    return int("".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])) % 97 == 1


def _holds_phone(text: str) -> bool:
    return any(7 <= sum(map(str.isdigit, found.group())) <= 15 for found in _pattern(_PHONE).finditer(text))


@cache
def _pattern(regex: str) -> re.Pattern[str]:
    return re.compile(regex)


_FINDERS: Final[dict[str, Callable[[str], bool]]] = {
    "key": _holds_key,
    "card": _holds_card,
    "iban": _holds_iban,
    "email": _holds_email,
    "phone": _holds_phone,
}
