"""Texts that hold a prompt and its response, with a mark between them."""

import re
from collections.abc import Sequence

MARKERS = (
    "<|im_start|>assistant",
    "<|start_header_id|>assistant<|end_header_id|>",
    "<start_of_turn>model",
    "<|assistant|>",
    "[/INST]",
    "### Response:",
    "### Assistant:",
    "### Answer:",
    "### Output:",
    "\nASSISTANT:",
    "\nAssistant:",
    "\nResponse:",
    "\nAnswer:",
    "\nOutput:",
    "\nA:",
)
"""What stands before the response in a text that holds both, the surest first."""

_END = re.compile(
    r"(?:<\|im_end\|>|<\|eot_id\|>|<\|endoftext\|>|<end_of_turn>|<\|end\|>|</s>|<eos>|\s)+$"
)
_MARKED = 0.9


def split_at(text: str, marker: str) -> tuple[str, str]:
    """What stands up to the last mark, and behind it without the token that ends a text."""
    before, found, behind = f"\n{text}".rpartition(marker)
    asked = f"{before}{found}".strip()
    return (asked, _END.sub("", behind).strip()) if found else ("", text)


def ends_in_mark(prompts: Sequence[str]) -> bool:
    """Whether nearly all prompts end with a mark, so that they are in a template already."""
    marks = tuple(mark.strip() for mark in MARKERS)
    asked = [one.rstrip() for one in prompts if one.strip()]
    return bool(asked) and sum(one.endswith(marks) for one in asked) >= _MARKED * len(asked)


def mark_of(texts: Sequence[str]) -> str | None:
    """The mark that nearly all texts hold."""
    texts = [f"\n{one}" for one in texts if one.strip()]
    for marker in MARKERS:
        if texts and sum(marker in one for one in texts) >= _MARKED * len(texts):
            return marker
    return None
