"""A job's page as a picture: the Markdown of a run's summary, rendered as GitHub does, photographed by headless Chromium.

usage: ./dev bench page SUMMARY.md PICTURE.png      needs chromium
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from markdown_it import MarkdownIt

STYLE = """
body{font:14px/1.5 -apple-system,"Segoe UI","Noto Sans",Helvetica,Arial,sans-serif;color:#1f2328;margin:24px;width:900px}
h3{font-size:1.25em;margin:0 0 12px}
code,pre{font:85% ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono","DejaVu Sans Mono",monospace;background:#818b981f;border-radius:6px}
code{padding:.2em .4em}pre{padding:12px;font-size:12px}pre code{background:none;padding:0;font-size:100%}
table{border-collapse:collapse;margin:8px 0 16px}th,td{border:1px solid #d1d9e0;padding:5px 12px}
tr:nth-child(2n){background:#f6f8fa}th{font-weight:600}summary{font-weight:600;cursor:pointer}
.alert{border-left:4px solid;padding:2px 16px;margin:0 0 12px}.alert b{display:block}
.NOTE{border-color:#0969da}.NOTE b{color:#0969da}.WARNING{border-color:#9a6700}.WARNING b{color:#9a6700}
"""


def page(markdown: str) -> str:
    """HTML with every fold open. Alerts are GitHub's own, and the parser knows them as quotations."""
    html = MarkdownIt("commonmark").enable("table").render(markdown).replace("<details>", "<details open>")
    html = re.sub(
        r"<blockquote>\s*<p>\[!(NOTE|WARNING)\]\s*(.*?)</p>\s*</blockquote>",
        lambda hit: f'<div class="alert {hit[1]}"><b>{hit[1].title()}</b>{hit[2]}</div>',
        html,
        flags=re.DOTALL,
    )
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{html}<script>document.title=document.body.scrollHeight</script>"


def main(source: Path, picture: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        sys.exit("chromium is missing")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "page.html")
        file.write_text(page(source.read_text()))
        flags = (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder}/profile",
        )
        seen = run(browser, *flags, "--window-size=960,600", "--dump-dom", file.as_uri())
        height = int(seen.partition("<title>")[2].partition("<")[0]) + 24
        run(
            browser, *flags, f"--window-size=960,{height}", f"--screenshot={picture.resolve()}", file.as_uri()
        )


def run(*argv: str) -> str:
    return subprocess.run(
        argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
