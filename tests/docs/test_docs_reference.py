"""The documentation names everything that there is, and nothing that there is not."""

import importlib
import re
import subprocess
import sys
import tomllib
from types import ModuleType

import pytest
import typer
from markdown_page import (
    DOCS,
    PAGES,
    README,
    ROOT,
    TUTORIALS,
    anchors,
    links,
    names,
    prose,
    section,
    table,
)
from scorer_table import scorer_table, table_on_page

import chaffinch
from benchmarks.command import app as benchmarks
from chaffinch import corruptions
from chaffinch.cli.app import app
from chaffinch.core.basis import FILE as BASIS
from chaffinch.core.evidence import _SHAPES
from chaffinch.core.findings import COLUMNS
from chaffinch.corruptions import CORRUPTIONS
from chaffinch.data.array import LABEL_KEYS, SAMPLE_KEYS
from chaffinch.data.column import LABEL_NAMES
from chaffinch.data.file import READERS
from chaffinch.data.folder import FILE_NAMES, LABEL_TABLES
from chaffinch.pipeline.check_file import TO_CHECK
from chaffinch.pipeline.options import ScanOptions
from chaffinch.pipeline.repairing import REPAIR
from chaffinch.pipeline.verification.outcome import VERIFICATION
from chaffinch.report.projection import MAP
from chaffinch.scorers import FAMILIES, SCORERS
from chaffinch.store import run
from chaffinch.store.album import ALBUM

SCAN, FINDINGS, BENCH = DOCS / "scan.md", DOCS / "findings.md", DOCS / "bench.md"
CORRUPTIONS_PAGE = DOCS / "corruptions.md"
SCORERS_PAGE, ARCHITECTURE = DOCS / "scorers.md", DOCS / "architecture.md"

COMMANDS = typer.main.get_command(app).commands
CLI_OPTIONS = sorted(
    {
        option
        for command in COMMANDS.values()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and option != "--help"
    }
)


def mentioned(*pages):
    return set().union(*(names(prose(page)) for page in pages))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_documented(name):
    text = "".join(page.read_text("utf-8") for page in PAGES)
    assert re.search(rf"chaffinch {name}\b", text)


@pytest.mark.parametrize("option", [*CLI_OPTIONS, "--version"])
def test_every_option_is_documented(option):
    text = "".join(page.read_text("utf-8") for page in PAGES)
    assert re.search(rf"{option}(?![\w-])", text)


def test_the_table_of_options_is_that_of_the_program():
    rows = table(SCAN, "shell")
    in_shell = {name for row in rows for name in names(row[0])}
    in_python = {name for row in rows for name in names(row[1])}
    scan = {o for p in COMMANDS["scan"].params for o in p.opts if o.startswith("--")}
    assert in_shell == scan - {"--help"}
    assert in_python == {"label", "validation", "model", *ScanOptions.model_fields}


def test_documented_commands_exist():
    typed = set().union(*(re.findall(r"`chaffinch (\w+)", prose(page)) for page in PAGES))
    assert typed <= set(COMMANDS)


def test_every_option_of_the_benchmark_is_documented():
    options = {
        option
        for parameter in typer.main.get_command(benchmarks).params
        for option in parameter.opts
        if option.startswith("--")
    }
    assert {name for row in table(BENCH, "option") for name in names(row[0])} == options


def test_every_corruption_is_documented():
    functions = {name for name in corruptions.__all__ if name.islower()}
    documented = set(re.findall(r"\w+", CORRUPTIONS_PAGE.read_text("utf-8")))
    assert {*CORRUPTIONS, *functions} <= documented


def test_every_format_and_name_that_is_looked_for_is_documented():
    wanted = {*READERS, ".npz", *LABEL_NAMES, *SAMPLE_KEYS, *LABEL_KEYS, *LABEL_TABLES, *FILE_NAMES}
    assert wanted <= mentioned(SCAN)


def test_every_file_of_a_run_is_documented():
    files = {run.FINDINGS, run.RECORD, run.GALLERY, run.REPORT, run.EXPLANATIONS}
    files |= {ALBUM, MAP, run.CALIBRATION, run.CALIBRATED, TO_CHECK}
    files |= {BASIS, f"{run.EVIDENCE}/", "plan.json", REPAIR}
    files |= {VERIFICATION, VERIFICATION.replace(".json", ".html")}
    assert {name for row in table(SCAN, "file") for name in names(row[0])} == files


@pytest.mark.parametrize("page", [README, FINDINGS], ids=lambda page: page.stem)
def test_the_columns_are_documented_in_order(page):
    assert [row[0].strip("`") for row in table(page, "column")] == list(COLUMNS)


@pytest.mark.parametrize("name", SCORERS)
def test_every_scorer_has_its_section(name):
    scorer = SCORERS[name]
    text = section(SCORERS_PAGE.with_suffix("") / f"{scorer.family}.md", name)
    for part in ("**Family**", "**Needs**", "**Cost**", "**Paper**", "**Value**", "**Good for**"):
        assert part in text
    assert f"**Family** {scorer.family}." in text
    needed = {record for need in scorer.needs for record in need.split("|")}
    listed = re.search(r"\*\*Needs\*\*(.*?)\*\*Cost\*\*", text, re.S)[1]
    assert names(listed) == needed


def test_the_table_of_scorers_is_that_of_the_registry():
    assert table_on_page() == scorer_table()


def test_every_family_has_its_page_and_the_page_only_its_scorers():
    pages = {page.stem: page for page in (DOCS / "scorers").glob("*.md")}
    assert set(pages) == set(FAMILIES)
    for family, page in pages.items():
        own = {name for name, scorer in SCORERS.items() if scorer.family == family}
        assert set(re.findall(r"^#+ (\w+_\w+|aum)$", prose(page), re.M)) <= own
        assert f"](scorers/{family}.md)" in SCORERS_PAGE.read_text("utf-8")


def test_the_records_of_evidence_are_documented():
    rows = table(ARCHITECTURE, "record")
    documented = {row[0].strip("`"): row[1] for row in rows}
    tuples = {name: str(letters).replace("'", "") for name, letters in _SHAPES.items()}
    assert documented == tuples


def test_the_floors_are_those_of_the_contract():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    contract = [set(re.findall(r"chaffinch\.(\w+)", layer)) for layer in layers]
    rows = table(ARCHITECTURE, "floor")
    assert [names(row[1]) for row in rows] == contract
    assert [int(row[0]) for row in rows] == list(range(len(contract)))[::-1]


def test_the_floors_hold_every_package():
    packages = {init.parent.name for init in (ROOT / "src" / "chaffinch").glob("*/__init__.py")}
    assert {name for row in table(ARCHITECTURE, "floor") for name in names(row[1])} == packages


def test_the_parts_of_packages_are_there():
    package = ""
    for row in table(ARCHITECTURE, "package"):
        package = row[0].strip("`") or package
        for part in names(row[1]):
            place = ROOT / "src" / "chaffinch" / package / part
            assert place.is_dir() if part.endswith("/") else place.with_suffix(".py").is_file(), row


@pytest.mark.parametrize(
    "page",
    [*PAGES, *TUTORIALS, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"],
    ids=lambda page: page.stem,
)
def test_internal_links_resolve(page):
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_the_index_links_every_page():
    pages = {page.name for page in DOCS.glob("*.md")} - {"index.md"}
    assert pages <= set(links(DOCS / "index.md"))


PACKAGES = ("corruptions", "gradients", "influence", "losses", "repair", "scorers")


@pytest.mark.parametrize("package", ["", *PACKAGES])
def test_every_public_name_is_in_the_reference(package):
    module = importlib.import_module(f"chaffinch.{package}" if package else "chaffinch")
    page = DOCS / "reference" / f"{package or 'python'}.md"
    listed = re.findall(r"^::: ([\w.]+)$", page.read_text("utf-8"), re.M)
    public = {name for name in module.__all__ if not isinstance(getattr(module, name), ModuleType)}
    assert {f"{module.__name__}.{name}" for name in public} <= set(listed)
    for name in listed:
        home, _, last = name.rpartition(".")
        assert hasattr(importlib.import_module(home), last), name


def test_the_site_lists_every_page():
    site = (ROOT / "mkdocs.yml").read_text("utf-8")
    for page in DOCS.rglob("*.md"):
        assert f": {page.relative_to(DOCS).as_posix()}\n" in site, page


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("mkdocstrings", reason="install it with: pip install '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    page = (tmp_path / "reference" / "commands.html").read_text("utf-8")
    for name, command in COMMANDS.items():
        assert f'id="{name}"' in page
        options = {one for parameter in command.params for one in parameter.opts}
        assert all(f"<code>{one}</code>" in page for one in options if one.startswith("--"))


def test_pictures_are_small():
    for picture in (DOCS / "images").iterdir():
        assert picture.stat().st_size < 300_000


def test_the_changelog_has_this_version():
    assert f"## [{chaffinch.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")
