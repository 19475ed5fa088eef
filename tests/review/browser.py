"""A headless Chromium, spoken to through two pipes (the protocol of its developer tools)."""

import json
import os
import shutil
import subprocess
import time

CHROMIUM = shutil.which("chromium")
_OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--remote-debugging-pipe"
)


class Browser:
    """One tab. Use as a context, so that the process ends."""

    def __init__(self, profile):
        read_theirs, self._write = os.pipe()
        self._read, write_theirs = os.pipe()

        def as_three_and_four():
            # Not onto 3 and 4 at once: one of them may be among the four.
            high = [os.dup2(fd, 200 + n) for n, fd in enumerate((read_theirs, write_theirs))]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self._process = subprocess.Popen(
            [CHROMIUM, *_OPTIONS.split(), f"--user-data-dir={profile}"],
            preexec_fn=as_three_and_four,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_theirs)
        os.close(write_theirs)
        self._number, self._rest, self._session = 0, b"", None
        self._errors = []

    def __enter__(self):
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def ask(self, method, **params):
        """Send a command and wait for its answer; events are passed over."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def value(self, script, *, wait=False):
        """What a script in the page gives; what its promise gives with ``wait``."""
        told = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=wait
        )
        assert "exceptionDetails" not in told or "ready" in script, told
        return told["result"].get("value")

    def errors(self):
        """What went wrong in the page, once ``Runtime.enable`` and ``Log.enable`` were asked."""
        self.value("1")
        return self._errors

    def axe(self, file):
        """What axe-core calls serious or critical, by rule and element."""
        self.value(file.read_text("utf-8") + ";1")
        return self.value(
            "axe.run().then(r => r.violations"
            ".filter(v => ['serious', 'critical'].includes(v.impact))"
            ".map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join()))",
            wait=True,
        )

    def wait_for(self, script, seconds=20):
        """Wait until a script gives something true, and return it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.value(script)
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"never true: {script}; {self.value('document.body.innerText')}")

    def press(self, key):
        """Press and let go one letter, or a key with a name such as ``Escape``."""
        if len(key) == 1:
            self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
        else:
            codes = {"Escape": 27, "ArrowLeft": 37, "ArrowRight": 39, "Enter": 13}
            how = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
            self.ask("Input.dispatchKeyEvent", type="rawKeyDown", **how)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    def click(self, selector):
        """Scroll the first element into sight and click its middle."""
        x, y = self.value(
            f"(e => {{ e.scrollIntoView({{block: 'center', behavior: 'instant'}});"
            " const b = e.getBoundingClientRect();"
            f" return [b.left + b.width / 2, b.top + b.height / 2]; }})"
            f"(document.querySelector({json.dumps(selector)}))"
        )
        self.point(x, y)

    def point(self, x, y):
        """Click with the mouse."""
        self.drag([(x, y)])

    def drag(self, points):
        """Press the mouse at the first point and let it go at the last."""
        how = {"button": "left", "clickCount": 1}
        for number, (x, y) in enumerate(points):
            self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="left")
            if not number:
                self.ask("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **how)
        x, y = points[-1]
        self.ask("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, **how)

    def _receive(self):
        while b"\0" not in self._rest:
            part = os.read(self._read, 65536)
            assert part, "the browser has ended"
            self._rest += part
        first, self._rest = self._rest.split(b"\0", 1)
        told = json.loads(first)
        if told.get("method") == "Runtime.exceptionThrown" or (
            told.get("method") == "Log.entryAdded" and told["params"]["entry"]["level"] == "error"
        ):
            self._errors.append(told["params"])
        return told
