"""Hostile command lines: what is printed of an error is one line, and the exit status is 2."""

import atexit
import contextlib
import functools
import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from fuzz_draw import Draw
from fuzz_files import ROWS, file_makers

import chaffinch as cf
from chaffinch.cli.app import main

Words = tuple[str, ...]
_WORDS: Words = (
    "", " ", "x", "-1", "0", "2", "1e309", "nan", "\u2603", "e\u0301", "\udcff", "--", "-", "../..",
    "/dev/null", "/", "a" * 5000, "1,2", "none", "None", "[]", "{}", "a:b", "*", "~nobody/x", "\x1b[31m",
    "100000000000000000000", "sqlite://", "http://127.0.0.1:9/x", "run", "data.csv", "plan.csv",
)  # fmt: skip
"""Words that hardly any option takes."""


class CommandError(Exception):
    """What a command printed or answered breaks its promise."""


def run_command(words: list[str]) -> None:
    """Run a command line in this process.

    Raises:
        CommandError: Another status than 0, 1 or 2, an error of several lines, or none at all.
    """
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    err = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", write_through=True)
    status: Any = 0
    served = mock.patch("chaffinch.review.server.serve")  # it would wait for people
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), served:
        before, sys.argv = sys.argv, ["chaffinch", *words]
        try:
            main()
        except SystemExit as stop:
            status = stop.code or 0
        finally:
            sys.argv = before
    told = err.buffer.getvalue().decode()
    if status not in (0, 1, 2):
        raise CommandError(f"exit status {status!r}: {told[-300:]}")
    lines = [line for line in told.splitlines() if line.strip()]
    if "Traceback" in told:
        raise CommandError(told[-300:])
    if status == 2 and not lines:
        raise CommandError("no word about what is wrong")
    own = [place for place, line in enumerate(lines) if line.startswith("chaffinch: Expected")]
    if status == 2 and "Usage" not in told and own != [len(lines) - 1]:
        raise CommandError(f"an error that is not one line: {told[-500:]!r}")


@functools.cache
def finished_run() -> Path:
    """A folder with ``data.csv``, the run ``run`` on it, and a ledger; made once."""
    place = Path(tempfile.mkdtemp(prefix="fuzz-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    (place / "data.csv").write_text(ROWS)
    options: dict[str, Any] = {"epochs": 1, "folds": 2, "out": place / "run", "canaries": False}
    found = cf.scan(place / "data.csv", **options)
    plan = cf.propose(found, "strict")
    plan.to_json(place / "run" / "repair.json")
    plan.to_csv(place / "plan.csv")
    return place


def _place(folder: Path) -> Path:
    shutil.copytree(finished_run(), folder, dirs_exist_ok=True)
    return folder


def damage(draw: Draw, run: Path) -> None:
    """Spoil one file of a run, or leave it whole."""
    files = sorted(one for one in run.rglob("*") if one.is_file())
    file = draw.one(files)
    content = file.read_bytes()
    texts = (
        "",
        "null",
        "[]",
        "{}",
        "1",
        '"x"',
        "[1]",
        '{"a": 1}',
        "[{}]",
        "{",
        "NaN",
        "a,b\n1,2\n",
    )
    other = draw.one(files)

    def directory() -> None:
        file.unlink()
        file.mkdir()

    draw.told.append(f"file={file.relative_to(run)}")
    draw.made(
        "damage",
        {
            "gone": file.unlink,
            "cut": lambda: file.write_bytes(content[: len(content) // 2]),
            "longer": lambda: file.write_bytes(content + content),
            "binary": lambda: file.write_bytes(bytes(range(256)) * 9),
            "flipped": lambda: file.write_bytes(content[: len(content) // 2][::-1] + content[len(content) // 2 :]),
            "a folder": directory,
            "another file": lambda: file.write_bytes(other.read_bytes()),
            **{f"text {t}": lambda t=t: file.write_text(t) for t in texts},
            "values": lambda: file.write_text(_respelt(draw, content)),
        },
    )  # fmt: skip


def _respelt(draw: Draw, content: bytes) -> str:
    """JSON with one value in the place of others."""
    import json

    value = draw.one((None, "x", -1, [], {}, True, 1e400, "\ud83d", 2**70))
    draw.told.append(f"value={value!r}")
    try:
        found = json.loads(content)
    except ValueError:
        return "x"
    top = found
    for _ in range(draw.number(0, 3)):
        inner = found[draw.one(found)] if isinstance(found, dict) and found else None
        inner = draw.one(found) if isinstance(found, list) and found else inner
        if not isinstance(inner, dict | list) or not inner:
            break
        found = inner
    if isinstance(found, dict) and found:
        key = draw.one(found)
        draw.told.append(f"key={key}")
        found[key] = value
    elif isinstance(found, list) and found:
        found[0] = value
    return json.dumps(top)


_QUICK = ["--epochs", "1", "--folds", "0", "--no-canaries"]
_FILES: dict[str, Words] = {
    "--out": ("new.csv", "new", "no/such/new.csv"),
    "--ledger": ("none", "l.db"),
}
_COMMANDS: dict[str, tuple[list[str], dict[str, Words]]] = {
    "report": (["RUN"], {}),
    "explain": (["RUN"], {"--top": ("3",), "--id": ("x",), "": ("0", "x", "x")}),
    "review": (["RUN"], {"--port": ("1", "80", "99999"), "--check": ("5",), "--reviewer": ("Ann",), "--data": ("data.csv",)}),
    "calibrate": (["RUN"], {"--answers": ("FILE", "FILE", "data.csv"), "--count": ("5",), **_FILES}),
    "propose": (["RUN"], {"--policy": ("strict", "FILE"), **_FILES}),
    "apply": (["RUN", "--out", "new.csv"], {"--plan": ("FILE", "FILE", "plan.csv"), "--data": ("FILE", "data.csv"), "--seed": ("1",), "--out": ("data.csv", "new.parquet", "run")}),
    "verify": (["RUN", "--seeds", "2", "--no-ablation"], {"--plan": ("FILE", "plan.csv"), "--data": ("FILE",), "--validation": ("FILE", "data.csv"), "--group": ("b",), "--device": ("meta", "cuda")}),
    "history": ([], {"": ("run", "data.csv", "RUN", "FILE"), "--ledger": ("FILE", "none")}),
    "diff": (["data.csv"], {"": ("FILE", "run", "data.csv"), "--out": ("new.csv", "data.csv")}),
    "restore": (["x"], {"--out": ("new", "run"), "--ledger": ("FILE", "none")}),
    "ledger": ([], {"": ("check", "log", "decisions", "disagreements", "keep"), "--ledger": ("FILE", "none"), "--head": ("0" * 64,), "--label": ("label",)}),
    "export": (["RUN"], {"--to": ("csv", "json", "parquet", "cleanlab", "label-studio", "argilla"), "--rows": ("all", "flagged"), "--data": ("FILE",), "--out": ("new.csv",)}),
    "import": (["RUN"], {"": ("FILE", "FILE", "plan.csv"), "--from": ("csv", "label-studio", "argilla", "plan"), "--names": ("FILE",), "--reviewer": ("Ann",)}),
    "datasheet": ([], {"": ("RUN", "FILE", "data.csv"), "--about": ("FILE",), "--out": ("sheet", "no/such/sheet"), "--label": ("label",)}),
    "attribute": (["FILE"], {"--query": ("FILE", "data.csv"), "--model": ("FILE", "run"), "--estimator": ("trak",), "--out": ("new",)}),
    "demo": (["--out", "data.csv"], {"--seed": ("1",)}),
    "bench": (["list"], {"--only": ("data=digits",), "--methods": ("x",), "--cache": ("new",)}),
    "scorers": ([], {"": ("x",)}),
    "estimators": ([], {"": ("x",)}),
    "nonsense": ([], {}),
    "scan": (["FILE", *_QUICK], {
        "--label": ("label", "a", "nonsense"), "--validation": ("FILE", "data.csv"), "--model": ("FILE", "x:y"),
        "--id": ("a", "label"), "--text": ("a", "none"), "--sep": (";", "tab"), "--encoding": ("utf-16",),
        "--select": ("fdr",), "--fdr": ("0.5", "7"), "--rounds": ("auto",), "--device": ("meta",), "--seed": ("1",),
        "--scorers": ("aum", "all"), "--checkpoints": ("*.pt",), "--embedder": ("FILE",), "--encoder": ("FILE", "x:y", "timm:x", "vectors.npy"), "--lora": ("FILE",),
        "--prompt": ("a",), "--response": ("b",), "--out": ("run", "new", "FILE"), "--length": ("3",),
    }),
}  # fmt: skip
"""For each command the words that it takes first, and values of its options ("" for an argument)."""


def command(draw: Draw, folder: Path, name: str) -> Callable[[], None]:
    """One command line in a folder with a run, which may be damaged, and hostile files."""
    place = _place(folder)
    run = place / "run"
    first, options = _COMMANDS[name]

    def word(value: str) -> str:
        if value == "FILE":
            return str(draw.made("file", file_makers(place / "hostile")))
        if value == "RUN":
            if draw.chance(0.5):
                damage(draw, run)
                return "run"
            return str(draw.one(("run", "rnu", "nowhere", "", ".", "data.csv", "run/run.json", "/dev/null", "~nobody/run", "x" * 300)))  # fmt: skip
        return value

    words = [name, *(word(one) for one in first)]
    names = [one for one in options if draw.chance(0.6 if len(options) < 3 else 2.5 / len(options))]
    for option in names:
        value = word(draw.one(options[option])) if draw.chance(0.6) else draw.one(_WORDS)
        words += [option, value] if option else [value]
    if draw.chance(0.05):
        words.append(draw.one(("--nonsense", "--overwrite", "more", "--help")))
    words = [one.replace("\x00", "0") for one in words]  # no command line can hold it
    draw.told.append("words=" + " ".join(map(repr, words))[:300])

    def call() -> None:
        with contextlib.chdir(place):
            run_command(words)

    return call


def target(name: str) -> Callable[[Draw, Path], Callable[[], None]]:
    """The target of the suite for one command."""
    return lambda draw, folder: command(draw, folder, name)


COMMANDS: dict[str, tuple[Callable[[Draw, Path], Callable[[], None]], int]] = {
    f"chaffinch-{name}": (target(name), 1) for name in _COMMANDS if name != "scan"
} | {"chaffinch-scan": (target("scan"), 2)}
