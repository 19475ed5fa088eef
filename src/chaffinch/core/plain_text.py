"""Text from anybody, for pages and terminals. Imports nothing slow."""

import re

# Control characters could move a terminal's cursor, and bidirectional overrides the letters of
# the words around them; neither is part of what a label says.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LINE_ENDS = re.compile("\r\n?")


def clean(value: object) -> str:
    """Text without the characters that could disturb a page or a terminal."""
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    return _UNSAFE.sub("\ufffd", _LINE_ENDS.sub("\n", text))
