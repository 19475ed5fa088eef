"""Several samples decided at once, second opinions, agreement, and serving a network on purpose."""

import re
import threading

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")

import uvicorn
from browser import CHROMIUM, Browser
from fastapi.testclient import TestClient
from hostile_labels import EVIL
from sklearn.metrics import cohen_kappa_score

from chaffinch.core.errors import InputError
from chaffinch.review import server
from chaffinch.review.agreement import agreements, cohens_kappa, second_opinions
from chaffinch.review.app import make_app
from chaffinch.review.grid import MOST_TILES, View, grid
from chaffinch.review.groups import WAYS, groups_by
from chaffinch.review.queue import Wish
from chaffinch.store.ledger import Ledger

PORT = 8765
HTMX = {"HX-Request": "true"}


@pytest.fixture
def page(session):
    client = TestClient(
        make_app(session, PORT), base_url=f"http://127.0.0.1:{PORT}", follow_redirects=False
    )
    client.get("/", params={"key": session.key})
    return client


def log(place):
    return Ledger(place / ".chaffinch" / "ledger.db").table("decision")


def actions(session):
    return {row: one["action"] for row, one in session.mine(session.decisions()).items()}


def test_forty_decided_at_once_are_forty_rows_and_one_step_back(session, place):
    session.decide(3, "unsure", reason="first")
    rows = list(range(40))
    assert session.decide_all(rows, "quarantine", reason="one batch") == 40
    assert session.decided == 41
    assert set(actions(session).values()) == {"quarantine"}
    written = log(place)
    assert (written["reason"] == "one batch").sum() == 40
    assert session.undo() == 0
    assert actions(session) == {3: "unsure"}
    assert session.decided == 1
    assert len(log(place)) == 81
    assert Ledger(place / ".chaffinch" / "ledger.db").check().fault is None


def test_each_is_relabelled_as_suggested_and_those_without_are_left(session):
    rows = list(range(120))
    wanted = {row: session.suggested(row) for row in rows}
    with_one = {row for row, label in wanted.items() if label}
    assert 0 < len(with_one) < 120
    assert session.decide_all(rows, "suggested") == len(with_one)
    mine = session.mine(session.decisions())
    assert {row: one["label"] for row, one in mine.items()} == {
        row: label for row, label in wanted.items() if label
    }


@pytest.mark.parametrize("rows", [[], [0, 120], [-1]])
def test_bad_rows_decide_nothing_at_all(session, rows):
    with pytest.raises(InputError):
        session.decide_all(rows, "keep")
    with pytest.raises(InputError):
        session.decide_all([0, 1], "destroy")
    assert actions(session) == {}


def test_groups_hold_flagged_samples_once_and_are_named(session):
    flagged = set(np.flatnonzero(session.findings["flagged"]).tolist())
    for way in WAYS:
        groups = groups_by(session, way)
        rows = [row for group in groups for row in group.rows]
        assert len(rows) == len(set(rows))
        assert way == "copies" or set(rows) <= flagged
        assert len({group.key for group in groups}) == len(groups)
        sizes = [len(group.rows) for group in groups]
        assert sizes == sorted(sizes, reverse=True)
    pairs = groups_by(session, "pair")
    for group in pairs:
        labels = {(session.given[row], session.suggested(row)) for row in group.rows}
        assert len(labels) == 1
    placed = {row for group in groups_by(session, "cluster") for row in group.rows}
    assert placed == flagged


def test_the_grid_shows_a_group_and_decides_it(page, session):
    text = page.get("/grid").text
    assert "<html" in text
    assert EVIL not in text
    rows = re.findall(r'name="rows" value="(\d+)"', text)
    group = groups_by(session, "pair")[0]
    assert [int(one) for one in rows] == list(group.rows)[:MOST_TILES]
    form = {"token": session.token, "way": "pair", "group": group.key, "rows": rows}
    answer = page.post("/decide-all", data={**form, "action": "suggested"}, headers=HTMX)
    assert f"{len(rows)} decided at once" in answer.text
    assert actions(session) == {int(one): "relabel" for one in rows}
    back = page.post(
        "/undo", data={"token": session.token, "page": "grid", "way": "pair"}, headers=HTMX
    )
    assert f"{len(rows)} taken back" in back.text
    assert actions(session) == {}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"rows": ["1"], "action": "keep", "token": "wrong"}, 403),
        ({"rows": ["x"], "action": "keep"}, 400),
        ({"action": "keep"}, 400),
        ({"rows": ["1"], "action": "keep", "way": "magic"}, 400),
        ({"rows": ["1"], "action": "relabel", "code": "99"}, 400),
    ],
)
def test_bad_group_forms_are_refused(page, session, fields, status):
    answer = page.post("/decide-all", data={"token": session.token, **fields}, headers=HTMX)
    assert answer.status_code == status
    if fields.get("way") != "magic":
        assert actions(session) == {}


def test_groups_of_a_judgement_made_anew_are_made_anew(session):
    first = grid(session, View())["chosen"]
    session._show_latest()
    assert grid(session, View())["chosen"] == first
    assert View.read({"way": "kind", "else": "x"}).way == "kind"


def test_a_second_opinion_hides_what_others_and_the_scan_said(page, session, open_session):
    other = open_session("Bob")
    other.decide_all(list(range(10, 50)), "remove", reason="bob said so")
    rows = second_opinions(session, session.decisions())
    assert len(rows) == 30
    assert set(rows) <= set(range(10, 50))
    assert rows == second_opinions(session, session.decisions())
    assert second_opinions(other, other.decisions()) == []
    text = page.get("/", params={"section": "second"}).text
    assert f'data-row="{rows[0]}"' in text
    for hidden in ("bob said so", "Suspicion", "Its nearest neighbours", "suggested"):
        assert hidden not in text.split("</header>")[1].split('<p class="aside keys">')[0], hidden
    form = {"token": session.token, "row": rows[0], "action": "keep", "section": "second"}
    answer = page.post("/decide", data=form, headers=HTMX)
    assert f'data-row="{rows[1]}"' in answer.text
    assert session.mine(session.decisions())[rows[0]]["source"] == "review"


def test_kappa_is_that_of_scikit_learn():
    rng = np.random.default_rng(4)
    one = pd.Series(rng.choice(["keep ", "relabel a", "remove "], 200))
    other = one.where(rng.random(200) < 0.7, pd.Series(rng.choice(["keep ", "remove "], 200)))
    share, kappa = cohens_kappa(one, other)
    assert share == pytest.approx((one == other).mean())
    assert kappa == pytest.approx(cohen_kappa_score(one, other))
    assert cohens_kappa(one[:1], one[:1]) == (1.0, 1.0)


def test_agreement_counts_samples_of_both_and_is_on_the_page(page, session, open_session):
    other = open_session("Bob")
    session.decide_all([0, 1, 2, 3], "keep")
    session.decide(4, "unsure")
    other.decide_all([2, 3, 4, 5], "remove")
    other.decide(3, "keep")
    (pair,) = agreements(session.decisions())
    assert (pair.one, pair.other, pair.samples, pair.share) == ("Ann", "Bob", 2, "50.0%")
    assert pair.kappa == "0.00"
    assert "Cohen\u2019s kappa" in page.get("/disagreements").text


def test_the_card_shows_opponents_and_the_page_lists_its_keys(page, session):
    with_some = next(
        session.row_of[name] for name, told in session.explanations.items() if told.opponents
    )
    text = page.get("/", params={"sample": with_some}).text
    assert "What speaks against its label most" in text
    assert '<dialog id="help"' in text


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "*", "a b", "http://x", "x" * 300])
def test_a_host_that_is_everybody_or_no_name_is_refused(host):
    with pytest.raises(InputError, match="reach this computer"):
        server.listen(None, host)


def test_a_network_is_served_under_the_given_name_only_and_with_the_key(session):
    app = make_app(session, PORT, "192.168.1.20")
    client = TestClient(app, base_url=f"http://192.168.1.20:{PORT}", follow_redirects=False)
    assert client.get("/").status_code == 403
    assert client.get("/", params={"key": "wrong"}).status_code == 403
    assert client.get("/", params={"key": session.key}).status_code == 303
    assert client.get("/", headers={"host": f"127.0.0.1:{PORT}"}).status_code == 400
    assert client.get("/", headers={"host": f"evil.test:{PORT}"}).status_code == 400
    assert client.post("/decide", data={"row": 0, "action": "keep"}).status_code == 403
    with server.listen(None, "localhost") as listening:
        assert listening.getsockname()[0] == "127.0.0.1"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
def test_groups_keys_and_widths_in_a_browser(session, tmp_path):
    listening = server.listen(None)
    port = listening.getsockname()[1]
    settings = uvicorn.Config(make_app(session, port), log_level="error", lifespan="off", ws="none")
    running = uvicorn.Server(settings)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    ready = "!!window.htmx && !!document.getElementById('help')"
    try:
        with Browser(tmp_path / "profile") as browser:
            browser.ask("Runtime.enable")
            browser.ask("Log.enable")
            browser.ask("Page.navigate", url=f"http://127.0.0.1:{port}/?key={session.key}")
            browser.wait_for(ready)
            for address in ("/grid", "/?section=flagged", "/disagreements"):
                browser.ask("Page.navigate", url=f"http://127.0.0.1:{port}{address}")
                browser.wait_for(f"{ready} && location.href.includes('{address}')")
                for width in (360, 390, 800, 1400, 1600):
                    browser.ask(
                        "Emulation.setDeviceMetricsOverride",
                        **{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
                    )
                    browser.wait_for(f"innerWidth == {width}")
                    scrolls = "document.documentElement.scrollWidth > innerWidth"
                    assert not browser.value(scrolls), (address, width)
            browser.ask("Page.navigate", url=f"http://127.0.0.1:{port}/grid")
            browser.wait_for(f"{ready} && !!document.querySelector('.tiles')")
            browser.press("?")
            browser.wait_for("document.getElementById('help').open")
            browser.press("Escape")
            browser.wait_for("!document.getElementById('help').open")
            count = browser.value("document.querySelectorAll('.tiles li').length")
            browser.click(".tiles input")
            browser.wait_for(f"document.getElementById('chosen').textContent == '{count - 1}'")
            browser.press("x")
            browser.wait_for("document.getElementById('message').textContent.includes('at once')")
            assert list(actions(session).values()) == ["remove"] * (count - 1)
            browser.press("z")
            browser.wait_for("document.getElementById('message').textContent.includes('taken')")
            assert actions(session) == {}
            assert browser.errors() == []
    finally:
        running.should_exit = True
        thread.join(10)
        listening.close()


def test_the_queue_of_second_opinions_is_empty_where_nobody_else_decided(session):
    session.queue.ask_again(second_opinions(session, session.decisions()))
    assert session.queue.section(Wish(section="second")) == []
