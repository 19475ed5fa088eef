"""The documentation as data: code blocks, headings, links and tables of a Markdown page."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
TUTORIALS = sorted(DOCS.glob("tutorials/*.md"))
PAGES = [README, *sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("scorers/*.md"))]
NOT_RUN = re.compile(r"<!-- not run: .+ -->")

_FENCE = re.compile(r"^```(\w*)$")


@dataclass(frozen=True)
class Block:
    """A fenced code block.

    Attributes:
        language: What stands behind the fence.
        text: The code.
        line: Number of the first line of code in its page, from 1.
        runs: False where the comment ``<!-- not run: reason -->`` stands above the fence.
    """

    language: str
    text: str
    line: int
    runs: bool


def blocks(page: Path) -> list[Block]:
    """The code blocks of a page, in order."""
    found, before = [], ""
    lines = iter(enumerate(page.read_text("utf-8").splitlines(), start=1))
    for number, line in lines:
        fence = _FENCE.match(line)
        if fence:
            code = []
            for _, inner in lines:
                if inner == "```":
                    break
                code.append(inner)
            else:
                raise ValueError(f"{page.name}:{number}: the fence is not closed")
            text = "\n".join(code) + "\n"
            found.append(Block(fence[1], text, number + 1, not NOT_RUN.match(before)))
        before = line or before
    return found


def prose(page: Path) -> str:
    """The page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, made as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> list[str]:
    """The targets of a page's links and images."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def table(page: Path, first_heading: str) -> list[list[str]]:
    """The body of the table whose first column has that heading, cell by cell."""
    lines = prose(page).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first_heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def section(page: Path, heading: str) -> str:
    """What stands under a heading, up to the next one."""
    match = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#+ |\Z)", prose(page), re.M | re.S)
    if match is None:
        raise LookupError(f"{page.name} has no heading {heading!r}")
    return match[1]


def names(text: str) -> set[str]:
    """What stands in backticks."""
    return set(re.findall(r"`([^`\n]+)`", text))
