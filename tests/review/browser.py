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

    def value(self, script):
        """What a script in the page gives."""
        return self.ask("Runtime.evaluate", expression=script, returnByValue=True)["result"].get(
            "value"
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
        """Press and let go one letter."""
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    def _receive(self):
        while b"\0" not in self._rest:
            part = os.read(self._read, 65536)
            assert part, "the browser has ended"
            self._rest += part
        first, self._rest = self._rest.split(b"\0", 1)
        return json.loads(first)
