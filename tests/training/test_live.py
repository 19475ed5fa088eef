"""The monitor in a real loop, the page and the panel."""

import io
import logging

import numpy as np
import pytest
import torch
from live_scene import calibrated, record, snapshot, validation
from rich.console import Console

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.corruptions import uniform_flips
from chaffinch.training.alarms import Alarm
from chaffinch.training.live import LivePage, LivePanel, Monitor
from chaffinch.training.live.page import render
from chaffinch.training.live.panel import panel, sparkline
from chaffinch.training.watching.observer import Observer


def train(rate, seed=100, epochs=9, **watching):
    """Three well separated heaps in the plane, some with another label."""
    random = np.random.default_rng(seed)
    truth = np.arange(600) % 4
    x = torch.from_numpy(random.normal(size=(600, 2)) + 4 * np.eye(4)[truth][:, :2]).float()
    x += torch.from_numpy(4.0 * np.stack([truth >= 2, truth == 3], axis=1)).float()
    y = torch.from_numpy(np.asarray(uniform_flips(truth, rate, seed)[0]))
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    monitor = Monitor(**watching)
    with cf.watch(model, 600, callbacks=[monitor]) as watch:
        for _ in watch.epochs(epochs):
            for ids in torch.randperm(600).split(32):
                loss = watch.loss(model(x[ids]), y[ids], ids)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return monitor


def test_a_loop_with_wrong_labels_raises_an_alarm_early_and_a_clean_one_does_not(caplog):
    heard = []
    with caplog.at_level(logging.INFO, "chaffinch"):
        noisy = train(0.3, callback=heard.append)
    first = noisy.alarms[0]
    assert first.name == "resisting_labels"
    assert first.epoch < 3
    assert first.values["rate"] == pytest.approx(0.3, abs=0.08)
    assert heard == noisy.alarms
    assert f"epoch {first.epoch + 1}: resisting_labels: about" in caplog.text
    assert len({(one.name, one.subject) for one in noisy.alarms}) == len(noisy.alarms)
    clean = train(0.0)
    assert [one for one in clean.alarms if one.about == "labels"] == []
    assert len(clean.history) == 9


def test_a_callback_may_end_the_training():
    def stop(alarm: Alarm) -> None:
        raise RuntimeError(alarm.name)

    with pytest.raises(RuntimeError, match="resisting_labels"):
        train(0.3, callback=stop)


def test_alarms_are_chosen_by_name():
    assert train(0.3, alarms=["not_finite"], epochs=3).alarms == []
    assert train(0.3, alarms=(), epochs=3).alarms == []
    with pytest.raises(InputError, match="the name of a rule of alarms"):
        Monitor(alarms=["resisting"])
    with pytest.raises(InputError, match=r"Give \['memorisation'\]"):
        Monitor(alarms="memorisation")
    assert isinstance(Monitor(), Observer)


def test_a_monitor_that_goes_on_raises_nothing_twice():
    logits, labels, _ = calibrated(800, 5, 0.3, seed=1)
    first = Monitor()
    for epoch in range(3):
        first.on_epoch(record(epoch, logits, labels))
    assert [one.name for one in first.alarms] == ["resisting_labels"]
    second = Monitor()
    second.load_state_dict(first.state_dict())
    second.on_epoch(record(3, logits, labels))
    assert second.alarms == []


def history_of(count=4, **more):
    logits, labels, wrong = calibrated(800, 5, 0.3, seed=1)
    monitor = Monitor()
    for epoch in range(count):
        groups = np.where(wrong, "<b>dirty</b>", "tidy")
        held = validation(logits[:200], labels[:200])
        parts = {"groups": groups, "validation": held} | more
        monitor.on_epoch(record(epoch, logits, labels, **parts))
    return monitor


def test_the_page_shows_curves_alarms_and_sources_and_escapes_names():
    monitor = history_of()
    html = render(monitor.history, monitor.alarms, "my <run>", seconds=7)
    assert '<meta http-equiv="refresh" content="7">' in html
    assert "my &lt;run&gt;" in html
    assert "<b>dirty</b>" not in html
    assert "&lt;b&gt;dirty&lt;/b&gt;" in html
    assert "one source has worse labels" in html.split("<h1>")[1].split("</h1>")[0]
    for title in ("Loss of both sides", "Accuracy", "Labels that resist learning", "By source"):
        assert title in html
    assert html.count('class="curve') == 7
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")
    assert html == render(monitor.history, monitor.alarms, "my <run>", seconds=7)


def test_a_page_of_the_first_epoch_and_one_without_anything():
    monitor = history_of(1)
    assert '<em class="calm">nothing alarming</em>' in render(monitor.history, [], "x")
    assert 'class="calm"' not in render(monitor.history, history_of().alarms, "x")
    bare = render([snapshot(0, loss=float("nan"), accuracy=float("nan"))], [], "x")
    assert "None so far" in bare
    assert 'class="curve' not in bare
    assert "Nothing to draw" in bare
    assert ">nan<" not in bare


def test_the_page_is_replaced_whole_and_stops_to_reload(tmp_path):
    path = tmp_path / "deep" / "live.html"
    page = LivePage(path)
    page.close()
    assert not path.exists()
    monitor = history_of()
    page.show(monitor.history, monitor.alarms)
    assert 'http-equiv="refresh"' in path.read_text("utf-8")
    page.close()
    text = path.read_text("utf-8")
    assert 'http-equiv="refresh"' not in text
    assert "in this epoch. The training has ended.</p>" in text
    assert "reloads by itself" not in text
    assert [one.name for one in path.parent.iterdir()] == ["live.html"]
    with pytest.raises(InputError, match="seconds >= 1"):
        LivePage(path, seconds=0)


def test_the_panel_is_drawn_on_a_terminal_alone():
    monitor = history_of()
    quiet = Console(file=io.StringIO(), force_terminal=False)
    silent = LivePanel(quiet)
    silent.show(monitor.history, monitor.alarms)
    silent.close()
    assert quiet.file.getvalue() == ""
    loud = Console(file=io.StringIO(), force_terminal=True, width=90)
    shown = LivePanel(loud)
    shown.show(monitor.history, monitor.alarms)
    shown.close()
    text = loud.file.getvalue()
    assert "Epoch 4" in text
    assert "resist learning" in text
    plain = Console(file=io.StringIO(), width=90)
    plain.print(panel(monitor.history, monitor.alarms * 4))
    assert f"and {4 * len(monitor.alarms) - 4} more" in plain.file.getvalue()


def test_sparklines():
    assert sparkline([0, 1, 2, float("nan"), 7]) == "▁▂▃ █"
    assert sparkline([1.0, 1.0]) == "▁▁"
    assert sparkline([float("nan")]) == ""
    assert len(sparkline(list(range(100)))) == 24
