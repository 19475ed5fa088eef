"""The table of all scorers in the documentation, made from the registry.

Run this file to write it anew.
"""

import re

from markdown_page import DOCS

from chaffinch.scorers import DEFAULT_SCORERS, SCORERS

PAGE = DOCS / "scorers.md"
_TABLE = re.compile(r"## All scorers\n\n(.*?)\n\n(?=## )", re.S)


def scorer_table() -> str:
    """The lines of the table."""
    lines = ["| scorer | family | default | what it looks at |", "|---|---|---|---|"]
    for name, scorer in SCORERS.items():
        family, default = scorer.family, "yes" if name in DEFAULT_SCORERS else ""
        link = f"[`{name}`](scorers/{family}.md#{name})"
        lines.append(f"| {link} | {family} | {default} | {scorer.summary} |")
    return "\n".join(lines)


def table_on_page() -> str:
    """The table as it stands in the documentation."""
    found = _TABLE.search(PAGE.read_text("utf-8"))
    return "" if found is None else found[1]


if __name__ == "__main__":
    text = PAGE.read_text("utf-8")
    PAGE.write_text(text.replace(table_on_page(), scorer_table()), "utf-8")
