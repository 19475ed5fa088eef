"""The report in a real browser: widths, clicks, keys, and that nothing from the data runs."""

import base64
import os
from pathlib import Path

import numpy as np
import pytest

from chaffinch.report.page import render
from chaffinch.report.projection import MAP
from chaffinch.store.album import ALBUM, Album, Sprite
from tests.review.browser import CHROMIUM, Browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]
COUNT = "document.getElementById('count').textContent"
AXE = os.environ.get("CHAFFINCH_AXE", "")
WIDER = (
    "[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, pre, .unseen')"
    " && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)"
    ".map(e => e.outerHTML.slice(0, 120))"
)
SCROLLS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture
def page(make_run, tmp_path):
    """Open the report of a run with map and album, and listen for errors."""
    with Browser(tmp_path / "profile") as browser:
        browser.ask("Runtime.enable")
        browser.ask("Log.enable")

        def open_page(**recipe):
            run = make_run(**{"kinds": True, "classes": 4, "samples": 300, **recipe})
            dress(run)
            file = tmp_path / "report.html"
            file.write_text(render(run), "utf-8")
            resize(browser, 1400)
            browser.ask("Page.navigate", url=file.as_uri())
            browser.wait_for("document.querySelectorAll('#list li').length > 0")
            browser.run = run
            return browser

        yield open_page
        assert browser.errors() == []


def dress(run):
    """Give a synthetic run what a scan would: a map, and thumbnails or lines of text."""
    table, rng = run.findings, np.random.default_rng(0)
    x, y = rng.uniform(0.1, 0.9, (2, len(table)))
    table[["id"]].assign(x=x, y=y, method="t-SNE").to_parquet(run.path / MAP)
    shown = table[table["flagged"]].sort_values("suspicion", ascending=False)["id"].tolist()
    texts = {one.id: str(one.content)[:300] for one in run.gallery if "image" not in one.content}
    sprite = None
    if run.record.data.modality == "image":
        import io

        from PIL import Image

        sheet, buffer = Image.new("RGB", (8 * 32, (len(shown) // 8 + 1) * 32), "teal"), io.BytesIO()
        sheet.save(buffer, "WEBP")
        image = "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
        sprite = Sprite(side=32, across=8, ids=shown, image=image)
    (run.path / ALBUM).write_text(Album(texts=texts, sprite=sprite).model_dump_json(), "utf-8")


def resize(browser, width):
    browser.ask(
        "Emulation.setDeviceMetricsOverride",
        **{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )


@pytest.mark.parametrize("modality", ["image", "table", "text"])
def test_nothing_overflows_from_360_to_1600_pixels(page, modality):
    browser = page(modality=modality, classes=9)
    for width in (360, 390, 600, 800, 1024, 1400, 1600):
        resize(browser, width)
        browser.wait_for(f"innerWidth == {width}")
        assert not browser.value(SCROLLS), (width, browser.value(WIDER))


def test_filters_list_map_and_cards_agree(page):
    browser = page(modality="image")
    table = browser.run.findings
    flagged = table[table["flagged"]]
    assert browser.value(COUNT) == f"{len(flagged)} of 300"
    given = flagged["given_label"].iloc[0]
    code = browser.run.record.data.classes.index(given)
    browser.value(f"filterBy({{given: '{code}'}})")
    own = flagged[flagged["given_label"] == given]
    assert browser.value(COUNT) == f"{len(own)} of 300"
    hidden = browser.value(
        "[...document.querySelectorAll('#samples [data-sample]')].filter(c => !c.hidden)"
        ".map(c => c.dataset.sample)"
    )
    assert set(hidden) == {one.id for one in browser.run.gallery} & set(own["id"])
    browser.click("#clear")
    browser.wait_for(f"{COUNT} == '{len(flagged)} of 300'")


def test_a_cell_of_the_confusion_lists_its_samples(page):
    browser = page(modality="text")
    cell = "document.querySelector('.heatmap [data-filter] button')"
    wanted = browser.value(f"parseInt({cell}.textContent)")
    browser.value(f"{cell}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    browser.click(".heatmap [data-filter] button")
    browser.wait_for(f"{COUNT} == '{wanted} of 300'")
    assert browser.value("choice.shown.length") == wanted


def test_drawing_around_points_picks_them_and_a_click_opens_one(page):
    browser = page(modality="table")
    browser.value("filterBy({scope: 'all'})")
    browser.value("map.scrollIntoView({block: 'center', behavior: 'instant'})")
    box = browser.value("(b => [b.left, b.top, b.width])(map.getBoundingClientRect())")
    left, top, side = box
    half = [(0, 0), (0.5, 0), (0.5, 1), (0, 1)]
    browser.drag([(left + 12 + x * (side - 24), top + 12 + y * (side - 24)) for x, y in half])
    browser.wait_for("choice.picked !== null")
    picked = browser.value("[...choice.shown].every(at => data.x[at] / 65535 <= 0.51)")
    count = browser.value("choice.shown.length")
    assert picked
    assert 60 < count < 240
    at = browser.value("choice.shown[0]")
    x, y = browser.value(f"[data.x[{at}] / 65535, 1 - data.y[{at}] / 65535]")
    browser.point(left + x * side, top + y * side)
    browser.wait_for("document.getElementById('viewer').open")
    assert browser.value("document.getElementById('sample').textContent")
    browser.press("Escape")


def test_a_row_opens_its_sample_and_arrows_walk_on(page):
    browser = page(modality="image")
    browser.value("document.getElementById('list').scrollIntoView({behavior: 'instant'})")
    browser.click("#list li button")
    browser.wait_for("document.getElementById('viewer').open")
    first = browser.value("document.getElementById('sample').innerText")
    assert browser.value("document.getElementById('rank').textContent").startswith("1 of")
    browser.press("ArrowRight")
    browser.wait_for("document.getElementById('rank').textContent.startsWith('2 of')")
    assert browser.value("document.getElementById('sample').innerText") != first
    browser.click(".zoom")
    browser.wait_for("document.querySelector('.zoom').getAttribute('aria-pressed') == 'true'")
    browser.click("#close")
    browser.wait_for("!document.getElementById('viewer').open")


@pytest.mark.parametrize("modality", ["image", "text"])
def test_nothing_from_the_data_runs(page, modality):
    browser = page(modality=modality, hostile=True)
    browser.value("filterBy({scope: 'all'}), viewer.open(0)")
    assert browser.value("document.querySelectorAll('img[src^=http]').length") == 0
    assert browser.value("document.querySelectorAll('script').length") == 2


def test_only_rows_in_sight_are_in_the_page(page):
    browser = page(samples=3000, shown=10)
    browser.value("filterBy({scope: 'all'})")
    assert browser.value("document.querySelectorAll('#list li').length") < 40
    browser.value("document.getElementById('list').scrollTop = 1e9")
    browser.wait_for(
        "[...document.querySelectorAll('#list li')].pop().getAttribute('aria-posinset') == 3000"
    )


@pytest.mark.skipif(not AXE, reason="needs CHAFFINCH_AXE, the path of axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("modality", ["image", "table", "text"])
def test_axe_finds_nothing_serious(page, modality, scheme):
    browser = page(modality=modality)
    browser.ask(
        "Emulation.setEmulatedMedia",
        features=[{"name": "prefers-color-scheme", "value": scheme}],
    )
    assert browser.axe(Path(AXE)) == []
    browser.value("viewer.open(0)")
    assert browser.axe(Path(AXE)) == []
