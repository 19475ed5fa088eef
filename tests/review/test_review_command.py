"""`chaffinch review`: what it refuses, what `propose` makes of it, and the page in a browser."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote

import pytest
from browser import CHROMIUM, Browser

from chaffinch.cli.app import main
from chaffinch.repair.plan import Plan
from chaffinch.review import server
from chaffinch.review.queue import Wish
from chaffinch.store.ledger import Ledger


@pytest.fixture
def type_in(monkeypatch, capsys):
    """Types a command; gives its status, and what it printed and complained."""

    def typed(*words):
        monkeypatch.setattr(sys, "argv", ["chaffinch", *map(str, words)])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        told = capsys.readouterr()
        return status, told.out, told.err

    return typed


@pytest.fixture
def served(monkeypatch):
    """Stands in for the server; keeps what it was asked to serve."""
    asked = []
    monkeypatch.setattr(
        server,
        "serve",
        lambda session, port, **more: asked.append((session, port, more["browser"])),
    )
    return asked


def test_the_command_opens_a_session_and_says_what_comes_next(place, served, type_in, monkeypatch):
    monkeypatch.setenv("CHAFFINCH_USER", "Eve")
    status, out, _ = type_in("review", place / "run")
    assert status == 0
    session, port, browser = served[0]
    assert (session.reviewer, port, browser) == ("Eve", None, True)
    assert "0 decisions recorded in" in out
    assert f"chaffinch propose {place.as_posix()}/run" in out
    type_in("review", place / "run", "--reviewer", "Ann", "--port", "8123", "--no-browser")
    assert (served[1][0].reviewer, *served[1][1:]) == ("Ann", 8123, False)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["absent"], "a finished run in absent"),
        (["run", "--ledger", "none"], "a ledger for the decisions"),
        (["run", "--reviewer", ""], "the name of the reviewer"),
        (["run", "--data", "absent.csv"], "absent.csv"),
    ],
)
def test_what_cannot_be_reviewed_is_refused(place, served, type_in, monkeypatch, words, complaint):
    monkeypatch.chdir(place)
    status, _, error = type_in("review", *words)
    assert status == 2
    assert complaint in error
    assert not served


def test_a_run_under_way_is_refused(place, served, type_in):
    (place / "run").rename(place / "run.partial")
    (place / "run.partial" / "run.json").unlink()
    status, _, error = type_in("review", place / "run")
    assert status == 2
    assert "an unfinished one" in error


def test_no_browser_is_started_with_the_key(session, monkeypatch):
    uvicorn = pytest.importorskip("uvicorn")
    opened, said, seen = [], [], []
    monkeypatch.setattr(server.webbrowser, "open", opened.append)

    def run(self, sockets):
        for _ in range(500):
            if opened:
                break
            time.sleep(0.01)
        door = Path(unquote(opened[0].removeprefix("file://")))
        seen.append((door.read_text(), door.stat().st_mode & 0o777, door.parent.stat().st_mode))

    monkeypatch.setattr(uvicorn.Server, "run", run)
    server.serve(session, say=said.append)
    [(text, mode, folder)] = seen
    assert session.key not in opened[0]
    assert opened[0].startswith("file://")
    assert said[0].split()[-1] in text
    assert (mode, folder & 0o077) == (0o600, 0)
    assert not Path(unquote(opened[0].removeprefix("file://"))).exists()


def test_a_port_that_is_taken_or_impossible_is_refused(place, type_in):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        status, _, error = type_in("review", place / "run", "--no-browser", "--port", taken)
        assert status == 2
        assert f"a free port {taken}" in error
        assert "Choose another --port" in error
    assert "a port in 1..65535" in type_in("review", place / "run", "--port", 70000)[2]


def test_the_extra_that_is_missing_is_named(place, type_in, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    status, _, error = type_in("review", place / "run", "--no-browser")
    assert status == 2
    assert "pip install 'chaffinch[review]'" in error


def test_a_plan_does_what_was_decided(place, open_session, type_in):
    assert type_in("propose", place / "run")[0] == 0
    before = Plan.from_json(place / "run" / "repair.json")
    ann, bob = open_session("Ann"), open_session("Bob")
    flagged = [ann.row_of[edit.id] for edit in before.changing][:3]
    clean = next(iter(set(range(120)) - {ann.row_of[edit.id] for edit in before.edits}))
    ann.decide(flagged[0], "keep")
    ann.decide(flagged[1], "keep")
    bob.decide(flagged[1], "remove")
    ann.decide(clean, "relabel", next(c for c in ann.classes if c != ann.given[clean]), "a wasp")
    ann.decide(flagged[2], "keep")
    ann.undo()
    status, out, _ = type_in("propose", place / "run")
    assert status == 0
    assert "3 samples follow reviewers' decisions; on 1 of them they disagree." in out
    plan = Plan.from_json(place / "run" / "repair.json")
    edits, old = ({edit.id: edit for edit in one.edits} for one in (plan, before))
    touched = {ann.ids[row] for row in (*flagged[:2], clean)}
    assert ann.ids[flagged[0]] not in edits
    assert edits[ann.ids[flagged[1]]].action == "review"
    assert edits[ann.ids[clean]].reason == "reviewed by Ann: a wasp"
    assert {k: v for k, v in edits.items() if k not in touched} == {
        k: v for k, v in old.items() if k not in touched
    }
    written = Ledger(place / ".chaffinch" / "ledger.db").table("plan")
    assert written["id"].tolist() == [before.digest, plan.digest]
    assert type_in("propose", place / "run", "--ledger", "none")[0] == 0
    assert Plan.from_json(place / "run" / "repair.json") == before
    table = type_in("apply", place / "run", "--out", place / "repaired.csv")
    assert table[0] == 0


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
def test_keys_pressed_in_a_browser_reach_the_ledger(place, open_session, tmp_path):
    command = [
        sys.executable,
        "-u",
        "-m",
        "chaffinch",
        "review",
        "run",
        "--no-browser",
        "--check",
        "0",
    ]
    environment = {**os.environ, "NO_COLOR": "1"}
    watching = open_session("Ann")
    first, second, third = watching.queue.section(Wish())[:3]
    # Letters that come while an answer is on its way are passed over.
    calm = "!document.querySelector('.htmx-request, .htmx-swapping, .htmx-settling')"
    shown = f"{calm} && document.querySelector('article')?.dataset.row"
    with subprocess.Popen(
        [*command, "--reviewer", "Ann"],
        cwd=place,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            address = re.search(r"http://\S+", process.stdout.readline())[0]
            with Browser(tmp_path / "profile") as browser:
                browser.ask("Page.navigate", url=address)
                browser.wait_for(f"window.htmx && {shown} == '{first}'")
                assert "key=" not in browser.value("location.href")
                browser.press("x")
                browser.wait_for(f"{shown} == '{second}'")
                assert browser.value("document.getElementById('message').textContent")
                browser.press("k")
                browser.wait_for(f"{shown} == '{third}'")
                browser.press("z")
                browser.wait_for(f"{shown} == '{second}'")
                browser.press("c")
                browser.wait_for("document.activeElement.id == 'reason'")
                browser.press("k")  # a letter of the reason, no decision
                assert browser.value("document.activeElement.value") == "k"
                browser.value(
                    "section = document.querySelector('[name=section]'), section.value = 'spot',"
                    "section.dispatchEvent(new Event('change', {bubbles: true}))"
                )
                spot = watching.queue.section(Wish(section="spot"))[0]
                browser.wait_for(f"{shown} == '{spot}' && location.search.includes('spot')")
        finally:
            process.send_signal(signal.SIGINT)
            rest = process.communicate(timeout=30)[0]
    assert process.returncode == 0
    assert "1 decision recorded in" in rest
    mine = watching.mine(watching.decisions())
    assert {row: one["action"] for row, one in mine.items()} == {first: "remove"}
