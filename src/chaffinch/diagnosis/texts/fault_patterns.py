"""Faults that the text of one response shows: refusals, cuts, damage, markup, personal data."""

import re

from chaffinch.diagnosis.texts.word_lists import FUNCTION_WORDS

_DO = (
    r"(?:help|assist|provide|answer|fulfil+|comply|generate|create|write|share|discuss|do|complete|"
    r"offer|support|engage|give|access|browse|make|produce|respond|continue|process|see|open|view)"
)
_CANNOT = (
    r"(?:can(?:no|['\u2019])t|can not|(?: am|['\u2019]m) (?:un|not )able to|won['\u2019]t|will not|"
    r"must decline)"
)
_REFUSALS = re.compile(
    rf"\bsorry\b[^.!?\n]{{0,60}}(?:{_CANNOT}|unable to|not able to)"
    rf"|\b(?:apologi[sz]e|afraid|unfortunately)\b[^.!?\n]{{0,40}}\bI\b[^.!?\n]{{0,20}}{_CANNOT}"
    rf"|^\W*(?:I|we) ?{_CANNOT}\s*(?:be able to |to )?{_DO}\b"
    r"|\bas an? (?:AI|artificial intelligence|(?:large )?language model)\b[^.!?\n]{0,60}"
    r"\b(?:I|my)\b"
    r"|\bI (?:do not|don['\u2019]t) (?:have the (?:ability|capability)|feel comfortable)"
    r"|\bagainst my (?:programming|guidelines|policy)|\bgoes against (?:ethical|my|our)\b"
    r"|\btut mir leid\b[^.!?\n]{0,60}\bkann\b[^.!?\n]{0,60}\bnicht\b"
    r"|\bich kann (?:dir|ihnen)?[^.!?\n]{0,30}nicht (?:helfen|beantworten)"
    r"|\bdésolée?\b[^.!?\n]{0,60}\bpeux pas\b|\bje ne (?:peux|suis) pas (?:en mesure|vous aider)"
    r"|\blo siento\b[^.!?\n]{0,60}\bno puedo\b|\bmi dispiace\b[^.!?\n]{0,60}\bnon posso\b"
    r"|\bdesculpe\b[^.!?\n]{0,60}\bnão posso\b",
    re.IGNORECASE,
)
_POLITE_TASK = re.compile(
    r"\b(?:write|draft|compose|create|send|generate|prepare|give)\b.{0,60}\b(?:e-?mail|letter|message|"
    r"note|apolog\w*|reply|refus\w*|declin\w*|dialogue|conversation|scene|script|excuse)\b"
    r"|\b(?:translate|translation|rewrite|rephrase|paraphrase|classify|classification|role-?play)\b",
    re.IGNORECASE | re.DOTALL,
)
_BEGINNING = 300

_MOJIBAKE = re.compile(
    "[\u00c2\u00c3][\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020-\u2022\u02c6\u2030\u0160"
    "\u2039\u0152\u017d\u2018\u2019\u201c\u201d\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178]"
    "|\u00e2\u20ac|\u00ef\u00bb\u00bf|\u00f0\u0178"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|nbsp|#\d{2,5}|#x[0-9a-f]{2,5});", re.IGNORECASE)
_CHAT_MARK = re.compile(
    r"<\|[a-z_]+\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:bos|eos|pad|unk|start_of_turn|end_of_turn)>"
    r"|^\s*#{2,3} ?(?:Instruction|Response|Input)\s*:|^\s*(?:Human|User|Assistant|USER|ASSISTANT):",
    re.IGNORECASE | re.MULTILINE,
)
_TAG = re.compile(
    r"</?(?:p|br|div|span|a|b|i|li|ul|ol|td|tr|table|font|strong|em)\b[^<>]{0,200}>", re.I
)
_CODE = re.compile(r"\b(?:html|xml|web ?page|website|css|tag|markup|code|javascript|jsx)\b", re.I)

_ENDS = tuple(".!?:;)]}>\"'`\u2019\u201d\u00bb\u2026*|\u3002\uff01\uff1f\u300d\u061f\u06d4\u0964%")
_OPEN_ENDS = (",", "(", "[", "{", " -", "\u2014", "\u2013")
_ITEM = re.compile(r"^\s*(?:[-*\u2022>#|]|\d+[.)]|[A-Za-z]\)|\S+:)")

_PERSONAL: dict[str, re.Pattern[str]] = {
    "an e-mail address": re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b"),
    "a telephone number": re.compile(
        r"(?<![\w.])(?:\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,5}\d{2,4}"
        r"|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4})\b"
    ),
    "a card number": re.compile(r"\b(?:\d[ -]?){12,18}\d\b"),
    "a bank account (IBAN)": re.compile(
        r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"
    ),
    "a social security number": re.compile(r"\b(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}\b"),
    "an IP address": re.compile(
        r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])"
    ),
}
_EXAMPLE = re.compile(
    r"@(?:[\w.-]*\.)?(?:example|test|domain|email|company)\.|\b(?:127\.|0\.0\.0\.0|192\.168\.|10\.)|555",
    re.IGNORECASE,
)


def refusal(prompt: str, response: str) -> str:
    """The words by which a response refuses, or "" where it does not.

    Where the prompt asks for a letter, a scene, a translation and the like, such words may be part
    of the answer, and nothing is told.
    """
    found = _REFUSALS.search(response[:_BEGINNING])
    if found is None or _POLITE_TASK.search(prompt):
        return ""
    return " ".join(found.group().split())


def cut_off(response: str) -> str:
    """How a response breaks off ("after 'of the'"), or "" where it does not."""
    text = response.rstrip()
    if not text:
        return ""
    if text.count("```") % 2:
        return "inside of a block of code"
    if text.endswith(_OPEN_ENDS) and len(text.split()) > 1:
        return f"after {text[-20:].split()[-1]!r}"
    last = text.split()[-1]
    if last.lower() in FUNCTION_WORDS and last[0].islower() and len(text.split()) >= 4:
        return f"after {last!r}"
    return ""


def lacks_end(response: str) -> bool:
    """Whether prose ends without a sign that ends a sentence."""
    text = response.rstrip()
    if not text or text.endswith(_ENDS) or not text[-1].isalnum():
        return False
    return not _ITEM.match(text.rsplit("\n", 1)[-1])


def damage(text: str) -> str:
    """Signs of a wrong or lossy encoding, or ""."""
    if "\ufffd" in text:
        return "the replacement character U+FFFD"
    if found := _MOJIBAKE.search(text):
        return f"letters read in a wrong encoding ({text[found.start() : found.end() + 2]!r})"
    if found := _CONTROL.search(text):
        return f"the control character U+{ord(found.group()):04X}"
    return ""


def markup(prompt: str, response: str) -> str:
    """Markup that does not belong into a response, or ""."""
    if found := _CHAT_MARK.search(response):
        mark = found.group().strip()
        return "" if mark in prompt and not mark.startswith("<|") else f"the mark {mark!r}"
    if _CODE.search(prompt) or "<" in prompt or "```" in response:
        return ""
    found = _ENTITY.search(response) or _TAG.search(response)
    return f"the markup {found.group()[:30]!r}" if found else ""


def personal(text: str) -> str:
    """What looks like personal data ("an e-mail address"), or ""; examples do not count."""
    for name, pattern in _PERSONAL.items():
        for found in pattern.finditer(text):
            value = found.group()
            if _EXAMPLE.search(value) or (name == "a card number" and not _is_card(value)):
                continue
            return name
    return ""


def _is_card(value: str) -> bool:
    """Whether the last digit is the one that the others call for (Luhn)."""
    digits = [int(sign) for sign in value if sign.isdigit()][::-1]
    total = sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return total % 10 == 0 and len(set(digits)) > 1
