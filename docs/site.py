"""Hook of the documentation site: pages from outside of `docs`, and the commands' own help."""

import re
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from chaffinch.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = {
    "README.md": "readme.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "LICENSE": "license.md",
}
COMMANDS = "reference/commands.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that do not lie in `docs`."""
    for name, page in OUTSIDE.items():
        text = (ROOT / name).read_text("utf-8")
        if name == "LICENSE":
            text = f"# Licence\n\n```text\n{text}```\n"
        # From the root to `docs`: what stood beside `docs` lies in it now.
        text = re.sub(r"\]\(docs/", "](", text)
        files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, COMMANDS, content=commands()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to pages outside of `docs` lead to their copies on the site."""
    depth = page.file.src_uri.count("/")
    for name, copy in OUTSIDE.items():
        for link in ("../" * (depth + 1) + name, name):
            markdown = markdown.replace(f"]({link}", f"]({'../' * depth}{copy}")
    return markdown


def commands() -> str:
    """The reference of all commands: usage, arguments and options, as ``--help`` tells them."""
    program: Any = typer.main.get_command(app)
    parts = ["# Commands\n", "What `chaffinch COMMAND --help` prints.\n"]
    for name, command in program.commands.items():
        context = typer.Context(command, info_name=name)
        shown = [one for one in command.params if not getattr(one, "hidden", False)]
        given = [_name(one) for one in shown if one.param_type_name != "option"]
        usage = " ".join(["chaffinch", name, *given, "[OPTIONS]"])
        parts += [f"## {name}\n", f"{_plain(command.help)}\n", f"```text\n{usage}\n```\n"]
        parts += [*(_line(one, context) for one in shown), ""]
    return "\n".join(parts)


def _name(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _line(parameter: Any, context: Any) -> str:
    option = parameter.param_type_name == "option"
    names = [*parameter.opts, *parameter.secondary_opts] if option else [_name(parameter)]
    default = parameter.get_default(context)
    said = "" if default is None or callable(default) or default is False else f" (`{default}`)"
    return f"- {', '.join(f'`{one}`' for one in names)}{said}: {_plain(parameter.help)}"


def _plain(text: str | None) -> str:
    """Help as Markdown: without the marks of the terminal, angle brackets kept."""
    lines = re.sub(r"\\f.*", "", text or "", flags=re.S).strip().splitlines()
    return " ".join(line.strip() for line in lines).replace("<", "&lt;")
