"""The page: what it shows, what it lets through, and what it keeps out."""

import html
import re

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")

from fastapi.testclient import TestClient
from hostile_labels import CLASSES, EVIL

from chaffinch.diagnosis.relearning import worth_of_look
from chaffinch.review.app import make_app
from chaffinch.review.queue import Wish

PORT = 8765
HTMX = {"HX-Request": "true"}


def open_page(session, **options):
    return TestClient(
        make_app(session, PORT),
        base_url=f"http://127.0.0.1:{PORT}",
        follow_redirects=False,
        **options,
    )


@pytest.fixture
def page(session):
    """The page of a session, entered with its key."""
    client = open_page(session)
    assert client.get("/", params={"key": session.key}).headers["location"] == "/"
    return client


def post(page, session, address, **fields):
    return page.post(address, data={"token": session.token, **fields}, headers=HTMX)


def shown_row(text):
    found = re.search(r'<article [^>]*data-row="(\d+)"', text)
    return None if found is None else int(found[1])


def actions(session):
    return {row: one["action"] for row, one in session.mine(session.decisions()).items()}


def test_the_queue_begins_with_the_sample_most_worth_a_look(page, session):
    text = page.get("/").text
    worth = worth_of_look(session.findings) * session.findings["flagged"]
    assert shown_row(text) == worth.argmax()
    row = session.findings.iloc[shown_row(text)]
    for words in (row["id"], row["given_label"], row["suggested_label"], row["why"]):
        assert html.escape(str(words)) in text.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
    assert "Its nearest neighbours" in text
    assert "its loss" in text
    assert "Kuusamo" in text or "&lt;/td&gt;" in text
    assert f"of {int(session.findings['flagged'].sum())} decided" in text


def test_every_button_decides_and_brings_the_next_sample(page, session):
    seen = []
    for action in ("keep", "relabel", "remove", "quarantine", "unsure"):
        row = shown_row(page.get("/").text)
        suggested = session.classes.index(session.findings["suggested_label"].iat[row])
        answer = post(page, session, "/decide", row=row, action=action, code=suggested, reason="r")
        assert answer.status_code == 200
        assert "<html" not in answer.text
        assert shown_row(answer.text) == shown_row(page.get("/").text) != row
        seen.append(row)
    found = session.mine(session.decisions())
    assert [found[row]["action"] for row in seen] == [
        *("keep", "relabel", "remove", "quarantine", "unsure")
    ]
    assert found[seen[1]]["label"] == session.findings["suggested_label"].iat[seen[1]]
    assert {one["reason"] for one in found.values()} == {"r"}


def test_any_class_can_be_chosen(page, session):
    for code, label in enumerate(session.classes):
        post(page, session, "/decide", row=9, action="relabel", code=code)
        own = session.mine(session.decisions())[9]
        assert (own["label"] or session.given[9]) == label


def test_undo_brings_the_sample_back(page, session):
    row = shown_row(page.get("/").text)
    post(page, session, "/decide", row=row, action="remove")
    answer = post(page, session, "/undo")
    assert shown_row(answer.text) == row
    assert "Taken back" in answer.text
    assert actions(session) == {}
    assert "Nothing to take back" in post(page, session, "/undo", row=row).text


def test_the_queue_ends(page, session):
    for row in session.queue.section(Wish()):
        # What is removed says nothing of labels, so that nothing is judged anew.
        answer = post(page, session, "/decide", row=row, action="remove")
    assert shown_row(answer.text) is None
    assert "of this queue are decided" in answer.text
    done = page.get("/", params={"state": "done"})
    assert shown_row(done.text) is not None
    assert "You said" in done.text


def test_filters_stay_from_sample_to_sample(page, session):
    wanted = {"section": "all", "words": "kuusamo", "label": session.given[1]}
    first = page.get("/", params=wanted, headers=HTMX)
    assert shown_row(first.text) % 2 == 1
    row = shown_row(first.text)
    after = post(page, session, "/decide", row=row, action="relabel", code=1, **wanted)
    assert session.given[shown_row(after.text)] == session.given[1]
    assert shown_row(after.text) % 2 == 1
    assert 'name="words" value="kuusamo"' in after.text
    assert "No sample fits" in page.get("/", params={"words": "nowhere"}).text


def test_without_scripts_a_decision_is_not_made_twice(page, session):
    row = shown_row(page.get("/").text)
    answer = page.post("/decide", data={"token": session.token, "row": row, "action": "keep"})
    assert answer.status_code == 303
    assert shown_row(page.get(answer.headers["location"]).text) not in (None, row)


def test_what_others_said_is_hidden_until_one_has_decided(page, session, open_session):
    row = shown_row(page.get("/").text)
    bob = open_session("Bob <b>")
    bob.decide(row, "quarantine", reason="mould")
    before = page.get("/", params={"sample": row}).text
    assert "mould" not in before
    assert "1 other has decided" in before
    post(page, session, "/decide", row=row, action="keep")
    assert "mould" in page.get("/", params={"sample": row}).text
    open_questions = page.get("/disagreements").text
    assert "Bob &lt;b&gt;" in open_questions
    assert "mould" in open_questions
    assert f'href="/?sample={row}"' in open_questions


def test_nothing_of_the_data_becomes_part_of_the_page(page, session):
    session.decide(0, "keep", reason=EVIL)
    wanted = [{"sample": row, "words": EVIL} for row in range(0, 120, 10)]
    texts = [page.get("/", params=one).text for one in wanted]
    texts.append(page.get("/disagreements").text)
    for text in texts:
        assert EVIL not in text
        assert CLASSES[1] not in text
        assert not re.search(r"<script(?! src=\"/static/)", text)
        assert "onerror=alert" not in re.sub(r"&[^;]+;[^<]*", "", text)


def test_only_this_computer_gets_in_and_only_with_the_key(session):
    client = open_page(session)
    for address in ("/", "/disagreements", "/static/style.css", "/?key=wrong", "/openapi.json"):
        assert client.get(address).status_code == 403, address
    assert client.get("/", headers={"Host": "127.0.0.1"}).status_code == 400
    bent = client.get("/", params={"key": session.key}, headers={"Host": f"evil.org:{PORT}"})
    assert bent.status_code == 400
    assert "set-cookie" not in bent.headers
    entered = client.get("/", params={"key": session.key})
    assert "httponly" in entered.headers["set-cookie"].lower()
    assert client.get("/").status_code == 200


def test_a_key_lets_in_once_and_the_cookie_is_another_secret(session):
    entered = open_page(session)
    assert entered.head("/", params={"key": session.key}).status_code == 403  # a look spends none
    assert entered.get("/", params={"key": session.key}).status_code == 303
    [cookie] = entered.cookies.values()
    assert cookie not in (session.key, session.token)
    assert entered.get("/").status_code == 200
    again = entered.get("/", params={"key": session.key})
    assert (again.status_code, again.headers["location"]) == (303, "/")
    for client in (open_page(session), open_page(session, cookies={cookie_name(): session.key})):
        late = client.get("/", params={"key": session.key})
        assert late.status_code == 403
        assert "used already" in late.text
        assert "set-cookie" not in late.headers
        assert client.get("/").status_code == 403


def cookie_name():
    return f"chaffinch-review-{PORT}"


@pytest.mark.parametrize("address", ["/decide", "/undo"])
@pytest.mark.parametrize("token", ["", "wrong", None])
def test_a_foreign_form_decides_nothing(page, session, address, token):
    session.decide(5, "keep")
    fields = {"row": 3, "action": "keep", **({} if token is None else {"token": token})}
    assert page.post(address, data=fields, headers=HTMX).status_code == 403
    assert page.get(address, params=fields).status_code == 405
    assert actions(session) == {5: "keep"}


def test_the_token_of_another_session_does_not_count(page, open_session):
    assert post(page, open_session("Bob"), "/undo").status_code == 403


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"row": "x", "action": "keep"}, 400),
        ({"action": "keep"}, 400),
        ({"row": 120, "action": "keep"}, 400),
        ({"row": 0, "action": "destroy"}, 400),
        ({"row": 0, "action": "relabel", "code": 99}, 400),
        ({"row": 0, "action": "keep", "section": "secret"}, 400),
        ({"row": 0, "action": "keep", "reason": "x" * 100_000}, 413),
    ],
)
def test_bad_forms_are_refused_in_words(page, session, fields, status):
    answer = post(page, session, "/decide", **fields)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/plain")
    assert actions(session) == {}


def test_bad_addresses_are_refused(page):
    assert page.get("/", params={"sample": 120}).status_code == 400
    assert page.get("/", params={"sample": "x"}).status_code == 422
    assert page.get("/static/app.py").status_code == 404
    assert page.get("/static/..%2fapp.py").status_code == 404


def test_everything_is_served_from_here(page):
    text = page.get("/").text
    loaded = re.findall(r'(?:src|href|action|hx-get|hx-post)="([^"]*)"', text)
    assert loaded
    assert all(one.startswith(("/", "data:", "#")) for one in loaded)
    for name in ("htmx.min.js", "review.js", "style.css"):
        answer = page.get(f"/static/{name}")
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
