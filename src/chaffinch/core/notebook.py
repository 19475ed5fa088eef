"""HTML for notebooks: a sentence and a few small tables, in the colours of the notebook."""

from collections.abc import Iterable, Sequence
from html import escape

from chaffinch.core.plain_text import clean

_LONGEST = 120

Table = tuple[Sequence[str], Iterable[Sequence[object]]]
"""The heads of the columns, and the rows."""


def shown(title: str, sentences: Iterable[str] = (), tables: Iterable[Table] = ()) -> str:
    """A title, sentences, and tables below one another; whatever they hold is shown as text.

    Args:
        title: What it is.
        sentences: A paragraph each.
        tables: Heads and rows of each.
    """
    parts = [f"<b>{_text(title, 400)}</b>"]
    parts += [f"<p style='margin:.3em 0'>{_text(one, 600)}</p>" for one in sentences]
    for heads, rows in tables:
        head = "".join(f"<th style='text-align:left'>{_text(one)}</th>" for one in heads)
        body = "".join(
            "<tr>"
            + "".join(f"<td style='text-align:left'>{_text(one)}</td>" for one in row)
            + "</tr>"
            for row in rows
        )
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    return f"<div style='max-width:60em'>{''.join(parts)}</div>"


def _text(value: object, longest: int = _LONGEST) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else " ".join(clean(value).split())
    return escape(text if len(text) <= longest else text[: longest - 1] + "…")
