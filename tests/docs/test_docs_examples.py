"""Every example in the README and the documentation runs, page by page, in order."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from markdown_page import PAGES, ROOT, TUTORIALS, blocks

from benchmarks import command as benchmarks
from chaffinch.cli import app as chaffinch
from chaffinch.training.alarms import ALARMS

FILE_NAME = re.compile(r"# (\w+\.(?:py|toml))\n")
MOST_NOT_RUN = 3


class Reader:
    """Does what the reader of a page would do: saves files, runs Python, types commands."""

    def __init__(self, page, workplace, monkeypatch, capsys):
        self.page = page
        self.workplace = workplace
        self.monkeypatch = monkeypatch
        self.capsys = capsys
        self.namespace = {"__name__": "__main__"}
        self.complaint = None

    def read(self):
        for block in blocks(self.page):
            if not block.runs:
                continue
            self.where = f"{self.page.name}:{block.line}"
            getattr(self, f"read_{block.language or 'text'}")(block)
        assert self.complaint is None, f"{self.where}: unexplained error: {self.complaint}"

    def read_python(self, block):
        named = FILE_NAME.match(block.text)
        if named:
            (self.workplace / named[1]).write_text(block.text, "utf-8")
            return
        lines_before = "\n" * (block.line - 1)  # so that a traceback names the line of the page
        exec(compile(lines_before + block.text, str(self.page), "exec"), self.namespace)

    def read_toml(self, block):
        (self.workplace / FILE_NAME.match(block.text)[1]).write_text(block.text, "utf-8")

    def read_sh(self, block):
        for line in block.text.splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0] == "make":
                assert f"\n{words[1]}: " in (ROOT / "Makefile").read_text("utf-8"), self.where
            elif words and words[0] == "chaffinch":
                self.type(words, chaffinch.main)
            elif words[:3] == ["python", "-m", "benchmarks"]:
                self.type(words[2:], benchmarks.main)
            else:
                assert not words or words == ["pip", "install", "."], f"{self.where}: {line}"

    def type(self, words, main):
        assert self.complaint is None, f"{self.where}: unexplained error: {self.complaint}"
        self.monkeypatch.setattr(sys, "argv", words)
        self.capsys.readouterr()
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        errors = self.capsys.readouterr().err
        assert status in (0, 2), f"{self.where}: {shlex.join(words)} ended with {status}: {errors}"
        self.complaint = errors if status else None

    def read_sql(self, block):
        # What these grants allow is tested against a server, in tests/store.
        for statement in filter(None, map(str.strip, block.text.split(";"))):
            assert statement.startswith(("GRANT ", "ALTER DEFAULT PRIVILEGES ")), self.where

    def read_text(self, block):
        if block.text.startswith("chaffinch: "):
            assert self.complaint == block.text, self.where
            self.complaint = None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_run(page, workplace, short_training, own_registrations, monkeypatch, capsys):
    known = set(sys.modules)
    try:
        Reader(page, workplace, monkeypatch, capsys).read()
    finally:
        for name in set(sys.modules) - known:
            if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == workplace:
                del sys.modules[name]


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_tutorials_run_as_they_stand(page, tmp_path, own_registrations, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Reader(page, tmp_path, monkeypatch, capsys).read()


REGISTERING_PAGE = """```python
from chaffinch.training.alarms import alarm


@alarm("asleep", about="training")
def asleep(history):
    "Nothing happens."
```
"""


@pytest.fixture
def clean_alarms():
    yield
    assert "asleep" not in ALARMS


def test_examples_leave_nothing_registered(
    clean_alarms, own_registrations, tmp_path, workplace, monkeypatch, capsys
):
    page = tmp_path / "page.md"
    page.write_text(REGISTERING_PAGE, "utf-8")
    Reader(page, workplace, monkeypatch, capsys).read()
    assert "asleep" in ALARMS


def test_few_examples_are_left_out():
    left_out = [block for page in [*PAGES, *TUTORIALS] for block in blocks(page) if not block.runs]
    assert len(left_out) <= MOST_NOT_RUN


def test_an_example_that_fails_is_noticed(tmp_path, workplace, monkeypatch, capsys):
    page = tmp_path / "page.md"
    for text, error in (
        ("```python\n1 / 0\n```\n", ZeroDivisionError),
        ("```sh\nchaffinch scan absent.csv\n```\n", AssertionError),
        ("```sh\nchaffinch scan train.csv --nonsense\n```\n", AssertionError),
        ("```sh\nmake nonsense\n```\n", AssertionError),
    ):
        page.write_text(text, "utf-8")
        with pytest.raises(error):
            Reader(page, workplace, monkeypatch, capsys).read()
