"""Headless Chromium, spoken to by its DevTools protocol over two pipes: https://chromedevtools.github.io/devtools-protocol/."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

PROGRAM: Final = "chromium-headless-shell"
_FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--window-size=1240,1200")


class Browser:
    """One page of the browser. `said` are the messages of its console, errors and violations of a policy among them."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back, self._left, self._number = to, back, b"", 0
        self._session = ""
        self.said: list[str] = []
        self.asked: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Log", "Runtime", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result; events that come meanwhile are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self._keep(answer)
        assert "error" not in answer, (method, answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, page: Path, fragment: str = "") -> None:
        """Open a file as a page, and wait until it is loaded."""
        self.call("Page.navigate", url=f"{page.as_uri()}{fragment}")
        while self._keep(self._read()) != "Page.loadEventFired":
            pass

    def tell(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press keys one after the other: a character, or the name of a key such as `Tab`."""
        for key in keys:
            text = {"text": key} if len(key) == 1 else {}
            code = {"Tab": 9, "Escape": 27, "ArrowDown": 40}.get(key, 0)
            for kind in ("keyDown", "keyUp"):
                self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text)
                text = {}

    def click(self, selector: str) -> None:
        """Click the middle of the first element that a selector finds."""
        box = f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2] }})()"
        x, y = self.tell(box)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            data = os.read(self._back, 1 << 16)
            assert data, "the browser has ended"
            self._left += data
        line, _, self._left = self._left.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _keep(self, event: dict[str, Any]) -> str:
        method, found = str(event.get("method", "")), event.get("params", {})
        match method:
            case "Log.entryAdded":
                self.said.append(found["entry"]["text"])
            case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled":
                self.said.append(json.dumps(found))
            case "Network.requestWillBeSent":
                self.asked.append(found["request"]["url"])
            case _:
                pass
        return method


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Start the browser with an empty profile in `folder`, and end it."""
    # it reads the protocol from 3 and writes it to 4
    pipes = 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null'
    argv = ["sh", "-c", pipes, "sh", PROGRAM, *_FLAGS, f"--user-data-dir={folder}"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield Browser(process.stdin.fileno(), process.stdout.fileno())
        finally:
            process.terminate()
            process.wait(10)
