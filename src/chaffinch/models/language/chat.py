"""Conversations as a tokenizer's chat template writes them, in pieces that count or do not."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaffinch.core.errors import InputError

NO_TEMPLATE, OWN_TEMPLATE = "none", "auto"

# Signs of the private use area stand for what is said while the template is applied.
_OPEN, _CLOSE = "\ue000", "\ue001"
_STAND_IN = re.compile(f"{_OPEN}(\\d+){_CLOSE}")


@dataclass(frozen=True)
class ChatTemplate:
    """How conversations are written for a model.

    Attributes:
        tokenizer: The tokenizer of Transformers that applies it.
        template: A Jinja template in place of the tokenizer's own, or None.
    """

    tokenizer: Any
    template: str | None = None

    @classmethod
    def of(cls, tokenizer: Any, wanted: str | None) -> "ChatTemplate | None":
        """Find the template that is wanted.

        Args:
            tokenizer: A tokenizer of Transformers.
            wanted: ``auto`` or None for the tokenizer's own if it has one, ``none``, or the path
                of a Jinja file.

        Returns:
            The template, or None where prompts and responses are to be read as plain text.

        Raises:
            InputError: No such file.
        """
        if wanted == NO_TEMPLATE:
            return None
        if wanted in (None, OWN_TEMPLATE):
            return cls(tokenizer) if getattr(tokenizer, "chat_template", None) else None
        path = Path(str(wanted)).expanduser()
        if not path.is_file():
            raise InputError(
                "auto, none or a file with a chat template", repr(wanted), "Check the path"
            )
        return cls(tokenizer, path.read_text("utf-8"))

    def pieces(self, chat: Sequence[Mapping[str, str]]) -> list[tuple[str, bool]] | None:
        """Write a conversation, up to the end of the assistant's last turn.

        Args:
            chat: Turns with ``role`` and ``content``.

        Returns:
            Texts in order, each with whether the assistant says it; signs that end a turn are no
            part of what is said. None where the template does not take this conversation.
        """
        shown = [
            {"role": turn["role"], "content": f"{_OPEN}{place}{_CLOSE}"}
            for place, turn in enumerate(chat)
        ]
        options = {} if self.template is None else {"chat_template": self.template}
        try:
            text = str(self.tokenizer.apply_chat_template(shown, tokenize=False, **options))
        except Exception:  # templates raise what they like
            return None
        pieces: list[tuple[str, bool]] = []
        said, end = 0, 0
        for found in _STAND_IN.finditer(text):
            turn = chat[int(found.group(1))]
            answers = turn["role"] == "assistant"
            pieces += [(text[end : found.start()], False), (turn["content"].strip(), answers)]
            said += answers
            end = found.end()
        while pieces and not pieces[-1][1]:
            pieces.pop()
        wanted = sum(turn["role"] == "assistant" for turn in chat)
        return pieces if said == wanted and pieces else None
