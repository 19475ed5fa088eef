"""Personal data: e-mail addresses, telephone, card and account numbers."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chaffinch.checks.registry import Finding, register
from chaffinch.checks.subject import Subject
from chaffinch.core.types import Mask

_LEAST = 3
_SHARE = 0.01
_WHOLE = 0.1
_LEAST_DIGITS = 7
_DIGIT = re.compile(r"\d")
_MOST_LETTERS = 20_000

_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})*\.[A-Za-z]{2,24}(?![\w-])"
)
_CARD = re.compile(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d.-])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_PHONE = re.compile(
    r"(?<![\w.+-])(?:\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,5}\d{2,4}"
    r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[-.]\d{3}[-.]\d{4})(?![\w-])"
)


@register(
    "pii",
    "samples",
    ("texts|frame",),
    remedy="Remove or mask them unless you may keep and train on them; names are not looked for",
    basis="Patterns; card numbers by Luhn's checksum, account numbers by ISO 7064",
)
def pii(subject: Subject) -> Finding:
    """Personal data: e-mail addresses, telephone, card or account numbers."""
    flagged = np.zeros(len(subject), np.bool_)
    names = []
    if subject.texts is not None:
        found = personal_kinds(subject.texts)
        names += [f"texts ({_told(found)})"] if found else []
        flagged |= _any(found, len(subject))
    cells, whole = subject.cells, np.zeros(len(subject), np.bool_)
    for place, name in enumerate(cells.names):
        if getattr(cells.frame.dtypes.iloc[place], "kind", "O") not in "OTiu":
            continue
        codes = cells.codes[:, place]
        levels = personal_kinds(cells.levels[place])
        found = {kind: told[codes] for kind, told in levels.items()}
        rows = _any(found, len(subject))
        # A number may look like one by chance; a column of them has several, or a share.
        if rows.sum() < max(_LEAST, _SHARE * len(rows)):
            continue
        names.append(f"{name} ({_told(found)})")
        if rows.mean() > _WHOLE:
            whole |= rows  # the column is the issue, not the sample
        else:
            flagged |= rows
    count = int(np.count_nonzero(flagged | whole))
    return Finding("", "high", flagged, flagged.astype(np.float64), names=names, counted=count)


def personal_kinds(cells: Sequence[Any]) -> dict[str, Mask]:
    """By kind of personal data, (n,) which cells hold it; only kinds that are there.

    Numbers are looked at for card numbers alone; of texts the first 20,000 letters count.
    """
    found: dict[str, Mask] = {}
    for row, cell in enumerate(cells):
        number = isinstance(cell, int | np.integer) and not isinstance(cell, bool)
        if not number and not isinstance(cell, str):
            continue
        text = str(cell)[:_MOST_LETTERS]
        if "@" not in text and len(_DIGIT.findall(text)) < _LEAST_DIGITS:
            continue
        for name, look in _LOOKS.items():
            if (not number or look is has_card) and look(text):
                found.setdefault(name, np.zeros(len(cells), np.bool_))[row] = True
    return found


def has_email(text: str) -> bool:
    """Whether a text holds an e-mail address."""
    return "@" in text and _EMAIL.search(text) is not None


def has_phone(text: str) -> bool:
    """Whether a text holds a telephone number: with a country code, or as North America has it."""
    return any(7 <= sum(map(str.isdigit, found[0])) <= 15 for found in _PHONE.finditer(text))


def has_card(text: str) -> bool:
    """Whether a text holds a card number: 13 to 19 digits of a known issuer, with its checksum."""
    for found in _CARD.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        if digits[0] in "3456" and luhn(digits) and len(set(digits)) > 1:
            return True
    return False


def has_account(text: str) -> bool:
    """Whether a text holds an IBAN, with its checksum (ISO 13616)."""
    for found in _IBAN.finditer(text):
        number = found[0].replace(" ", "")
        moved = "".join(str(int(one, 36)) for one in number[4:] + number[:4])
        if 15 <= len(number) <= 34 and int(moved) % 97 == 1:
            return True
    return False


def luhn(digits: str) -> bool:
    """Whether the last digit is Luhn's checksum of the others (US patent 2,950,048)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


_LOOKS: dict[str, Callable[[str], bool]] = {
    "e-mail addresses": has_email,
    "telephone numbers": has_phone,
    "card numbers": has_card,
    "account numbers": has_account,
}


def _any(found: dict[str, Any], count: int) -> Any:
    rows = np.zeros(count, np.bool_)
    for one in found.values():
        rows |= one
    return rows


def _told(found: dict[str, Any]) -> str:
    return ", ".join(f"{int(rows.sum()):,} {name}" for name, rows in found.items())
