"""How a text file is written: its encoding, its separator and its decimal sign."""

import codecs
import csv
import io
from dataclasses import dataclass

import numpy as np

from chaffinch.core.errors import InputError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
"""The separators that are recognised, and what people call them."""

_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_MARKS = (  # the longest first: that of UTF-32 begins like that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 1 << 16
_RECORDS = 50
_WESTERN = 0.25  # accented letters are rarer than this in any language of Windows-1252


@dataclass(frozen=True)
class Written:
    """How a text file is written, as far as the user said so; None where it is to be found out.

    Attributes:
        sep: One character between the cells of a table.
        decimal: "." or ",".
        encoding: Any encoding that Python knows.
    """

    sep: str | None = None
    decimal: str | None = None
    encoding: str | None = None

    @classmethod
    def of(
        cls, sep: str | None = None, decimal: str | None = None, encoding: str | None = None
    ) -> "Written":
        """Check what the user said.

        Raises:
            InputError: A separator of several characters, another decimal sign, an unknown
                encoding, or the same sign for two things.
        """
        for name, value in (("sep", sep), ("decimal", decimal), ("encoding", encoding)):
            if value is not None and not isinstance(value, str):
                raise InputError(f"text for {name}", repr(value), "Leave it out to find it out")
        sep = None if sep is None else _WORDS.get(sep.lower(), sep)
        if sep is not None and (len(sep) != 1 or sep in '"\r\n'):
            raise InputError(
                "one character that separates cells", repr(sep), "Use --sep ';', '|' or tab"
            )
        if decimal not in (None, ".", ","):
            raise InputError("a decimal sign, '.' or ','", repr(decimal), "Use --decimal ,")
        if decimal is not None and sep == decimal:
            raise InputError(
                "different signs for --sep and --decimal", repr(sep), "Check which is which"
            )
        if encoding is not None:
            try:
                "".encode(encoding)
            except (LookupError, UnicodeError) as error:
                raise InputError(
                    "an encoding that Python knows", repr(encoding), "Use --encoding cp1252, say"
                ) from error
        return cls(sep, decimal, encoding)

    @property
    def named(self) -> list[str]:
        """The options that were given."""
        return [name for name, value in vars(self).items() if value is not None]


UNTOLD = Written()
"""Where the user said nothing."""


def decode(content: bytes, encoding: str | None, name: str) -> tuple[str, str, list[str]]:
    """Turn the bytes of a file into text.

    Args:
        content: The whole file.
        encoding: What the user said; by default a byte order mark decides, then the zeros that
            UTF-16 leaves, then whether it is UTF-8; Windows-1252 is the last resort.
        name: Of the file, for notes and errors.

    Returns:
        The text with its byte order mark, the encoding that gives back the same bytes, and notes
        for the user.

    Raises:
        InputError: Another encoding, or bytes that may be of several.
    """
    marked = next((code for mark, code in _MARKS if content.startswith(mark)), None)
    if encoding is not None:
        code = codecs.lookup(encoding).name
        if code in ("utf-16", "utf-32", "utf-8-sig"):
            code = marked or code.removesuffix("-sig").replace("16", "16-le").replace("32", "32-le")
        return _strict(content, code, name), code, []
    found = marked or _zeros(content[:_SAMPLE])
    if found is not None and found != "utf-8":
        note = f"{name} was read as {found.upper()}; another encoding is named by --encoding."
        return _strict(content, found, name), found, [note]
    try:
        return content.decode("utf-8"), "utf-8", []
    except UnicodeDecodeError as error:
        if found == "utf-8" or not _is_western(content):
            raise _unreadable(name, f"other bytes ({error.reason})") from error
    note = (
        f"{name} is not UTF-8: it was read as Windows-1252. If letters look wrong, name the "
        "encoding by --encoding."
    )
    try:
        return content.decode("cp1252"), "cp1252", [note]
    except UnicodeDecodeError:
        return content.decode("latin-1"), "latin-1", [note.replace("Windows-1252", "Latin-1")]


def plain_text(content: bytes, name: str) -> str:
    """The text of a small file that people filled in, in any encoding that `decode` finds out.

    Args:
        content: The whole file.
        name: Of the file, for errors.

    Returns:
        The text without its byte order mark.

    Raises:
        InputError: Bytes that may be of several encodings.
    """
    try:
        return decode(content, None, name)[0].removeprefix("\ufeff")
    except InputError as error:
        raise InputError(error.expected, error.got, "Save it as UTF-8") from error


def find_separator(text: str, usual: str) -> str:
    """The separator of a table, from its first records.

    The usual one, unless it leaves one column, or records of different lengths, where another
    gives several columns and as many cells in every record.
    """
    sample = text[:_SAMPLE]
    if len(text) > _SAMPLE:
        sample = sample[: sample.rfind("\n") + 1] or sample
    for sep in dict.fromkeys([usual, ";", "\t", "|", ","]):
        lengths = [len(cells) for cells in _records(sample, sep)]
        if len(text) > _SAMPLE:
            lengths = lengths[:-1] or lengths  # the last one may be cut inside of quotes
        if lengths and lengths[0] > 1 and len(set(lengths)) == 1:
            return sep
    return usual


def _records(sample: str, sep: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=sep)
    found: list[list[str]] = []
    try:
        for cells in reader:
            if cells:
                found.append(cells)
            if len(found) > _RECORDS:
                break
    except csv.Error:  # a cell longer than the module allows
        return found
    return found


def _strict(content: bytes, code: str, name: str) -> str:
    try:
        return content.decode(code)
    except UnicodeDecodeError as error:
        raise _unreadable(name, f"bytes that are not {code} ({error.reason})") from error


def _unreadable(name: str, got: str) -> InputError:
    return InputError(
        f"text in UTF-8 in {name}",
        got,
        "Name its encoding, such as --encoding cp1252, cp1251, shift_jis or gb18030 "
        "(encoding= in Python), or save it as UTF-8",
    )


def _zeros(sample: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of signs and letters of ASCII is zero."""
    even, odd = sample[0::2], sample[1::2]
    if not odd:
        return None
    first, second = even.count(0) / len(even), odd.count(0) / len(odd)
    if second > 0.2 and first < 0.02:
        return "utf-16-le"
    return "utf-16-be" if first > 0.2 and second < 0.02 else None


def _is_western(content: bytes) -> bool:
    values = np.frombuffer(content[: 1 << 20], np.uint8)
    if (values < 9).any():
        return False
    letters = values & 0xDF
    plain = np.count_nonzero((letters >= 65) & (letters <= 90))
    high = np.count_nonzero(values >= 0x80)
    return bool(high <= max(1, _WESTERN * (high + plain)))
