"""A headless browser for tests: what a page shows at a width, and what a click does, without any driver.

The page stands in frames of a page of ours, unchanged: its own policy lets no script of a test into it.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-background-networking"),
    *("--enable-logging=stderr", "--allow-file-access-from-files", "--virtual-time-budget=20000", "--window-size=1800,1200", "--dump-dom"),
)
DARK = "--blink-settings=preferredColorScheme=0"

HARNESS = """<!doctype html><meta charset="utf-8"><body>{frames}<script>
const visible = (frame) => [...frame.contentDocument.querySelectorAll(".details > section")]
  .filter((panel) => panel.getBoundingClientRect().height > 0).map((panel) => panel.id);
function look(frame) {{
  const inside = frame.contentWindow, root = frame.contentDocument.documentElement;
  const links = [...frame.contentDocument.querySelectorAll(".graphs a[data-shows], .details a[data-shows]")];
  const found = {{ width: inside.innerWidth, scroll: root.scrollWidth, first: visible(frame), clicks: [],
    paper: inside.getComputedStyle(frame.contentDocument.body).backgroundColor }};
  found.wide = [...frame.contentDocument.querySelectorAll("main > section *")]
    .filter((item) => item.getBoundingClientRect().right > inside.innerWidth + 1)
    .filter((item) => !item.closest(".scroll, .eq, figure, pre, math, [hidden]"))
    .map((item) => item.outerHTML.slice(0, 120));
  for (const link of links) {{
    link.dispatchEvent(new inside.MouseEvent("click", {{ bubbles: true, cancelable: true, view: inside }}));
    found.clicks.push({{ to: link.dataset.shows, shown: visible(frame), scroll: root.scrollWidth, hash: inside.location.hash,
      current: [...frame.contentDocument.querySelectorAll(".graphs [aria-current]")].map((item) => item.dataset.shows),
      text: frame.contentDocument.getElementById(link.dataset.shows).innerText }});
  }}
  return found;
}}
addEventListener("load", () => {{
  const result = document.createElement("pre");
  result.id = "result";
  result.textContent = JSON.stringify([...document.querySelectorAll("iframe")].map(look));
  document.body.append(result);
}});
</script>"""


def browser() -> str | None:
    """The path of a browser, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def looked(page: Path, widths: Sequence[int], folder: Path, *flags: str) -> tuple[list[dict[str, Any]], list[str]]:
    """What is found at each width, and the lines that the browser's console has."""
    frames = "".join(f'<iframe src="{page.as_uri()}" style="width: {width}px; height: 900px; border: 0"></iframe>' for width in widths)
    harness = folder / "harness.html"
    harness.write_text(HARNESS.format(frames=frames), encoding="utf-8")
    command = [str(browser()), *FLAGS, *flags, f"--user-data-dir={folder / 'profile'}", harness.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    return json.loads(html.unescape(found[1])), [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
