"""A headless Chromium, for tests of pages: told what to do by its DevTools protocol over a pair of pipes.

The protocol (https://chromedevtools.github.io/devtools-protocol/) is JSON; with --remote-debugging-pipe a message is
read from descriptor 3 and written to 4, with a zero byte behind it: no port, no library, no driver of a browser's age.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Optional

_NAMES = ("chromium-headless-shell", "chromium", "google-chrome")
_DEADLINE = 30  # seconds for an answer, and for anything that is waited for


def _program() -> str:
    found = next((path for path in map(shutil.which, _NAMES) if path), None)
    assert found, f"none of {', '.join(_NAMES)} is there; jobs/setup.sh tests installs one"
    return found


class Browser:
    """One browser with one page. `console` and `requests` are what the page has said and asked for."""

    def __init__(self, folder: Path, width: int = 1280, height: int = 900):
        self.console: list[str] = []
        self.requests: list[str] = []
        self._session: Optional[str] = None  # the page's; without one the browser itself is called
        self._number = 0
        self._bytes = b""
        read_end, self._write = os.pipe()
        self._read, write_end = os.pipe()
        command = [
            _program(),
            "--headless",
            "--no-sandbox",  # root can't have Chromium's own
            "--disable-gpu",
            "--remote-debugging-pipe",
            f"--user-data-dir={folder / 'browser'}",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP * ~NOTFOUND",  # nothing of it leaves this machine
        ]
        here = (read_end, write_end)

        def place_pipes() -> None:
            # The two may be 3 and 4 themselves, in either order.
            copies = [os.dup(descriptor) for descriptor in here]
            for target, copy in zip((3, 4), copies):
                os.dup2(copy, target)

        self._log = (folder / "browser.log").open("wb")
        self._process = subprocess.Popen(
            command,
            preexec_fn=place_pipes,
            pass_fds=(3, 4),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        for descriptor in here:
            os.close(descriptor)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height)

    # --- the protocol ---

    def call(self, method: str, **parameters: Any) -> dict:
        """Calls a method of the protocol. Raises RuntimeError if the browser refuses."""
        self._number += 1
        message: dict = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _next(self) -> dict:
        deadline = time.monotonic() + _DEADLINE
        while b"\0" not in self._bytes:
            ready, _, _ = select.select([self._read], [], [], max(0, deadline - time.monotonic()))
            more = os.read(self._read, 1 << 20) if ready else b""
            assert more, f"the browser does not answer; {self._log.name} may say why"
            self._bytes += more
        text, _, self._bytes = self._bytes.partition(b"\0")
        message = json.loads(text)
        self._take(message.get("method"), message.get("params", {}))
        return message

    def _take(self, event: Optional[str], said: dict) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])
        elif event == "Runtime.consoleAPICalled":
            self.console.append(" ".join(str(part.get("value", part)) for part in said["args"]))
        elif event == "Runtime.exceptionThrown":
            self.console.append(json.dumps(said["exceptionDetails"]))
        elif event == "Log.entryAdded":
            self.console.append(said["entry"]["text"])

    # --- what tests do ---

    def resize(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme: str) -> None:
        """The user's colours: "dark" or "light"."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, file: Path) -> None:
        """Opens a file and waits until it is there."""
        self.call("Page.navigate", url=file.resolve().as_uri())
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression (of a promise: what it becomes). Raises RuntimeError if it throws."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise RuntimeError(f"{script}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def wait(self, script: str, is_it: Callable[[Any], bool] = bool) -> Any:
        """Waits until the expression has a value of which `is_it` says yes (default: one that is true); gives it."""
        deadline = time.monotonic() + _DEADLINE
        while not is_it(value := self.run(script)):
            assert time.monotonic() < deadline, f"still {value!r}: {script}; the console: {self.console}"
            time.sleep(0.02)  # between two looks
        return value

    def click(self, selector: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def enter(self, selector: str, value: Any) -> None:
        """Gives an input a value, as a person who types it."""
        self.run(
            f"(() => {{ const input = document.querySelector({json.dumps(selector)}); "
            f"input.value = {json.dumps(value)}; input.dispatchEvent(new Event('input')); }})()"
        )

    def point_at(self, x: float, y: float) -> None:
        """Moves the pointer, in pixels of the window."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key)

    def screenshot(self, to: Path) -> None:
        shot = self.call("Page.captureScreenshot", format="png")
        to.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self) -> bytes:
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    # --- its end ---

    def close(self) -> None:
        self._session = None
        try:
            self.call("Browser.close")
        except (AssertionError, OSError):
            self._process.kill()
        self._process.wait(_DEADLINE)
        for descriptor in (self._read, self._write):
            os.close(descriptor)
        self._log.close()

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
