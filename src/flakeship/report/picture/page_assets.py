"""The style and the script of the page. Both stand in the page itself, and its policy names them by their digests."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--ground:#fff;--ink:#1f2328;--quiet:#59636e;--line:#d1d9e0;--field:#f6f8fa;--mark:#0969da}
@media(prefers-color-scheme:dark){:root{--ground:#0d1117;--ink:#f0f6fc;--quiet:#9198a1;--line:#3d444d;--field:#151b23;--mark:#4493f8}}
*{box-sizing:border-box}
body{margin:0 auto;padding:20px;max-width:1200px;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Helvetica,Arial,sans-serif}
h1{font-size:1.4em;margin:0 0 4px;overflow-wrap:anywhere}h2{font-size:1.1em;margin:20px 0 4px;overflow-wrap:anywhere}
p{margin:4px 0;color:var(--quiet)}
form{display:flex;flex-wrap:wrap;gap:8px 16px;align-items:end;position:sticky;top:0;padding:10px 0;background:var(--ground);z-index:1}
form[hidden]{display:none}
label{display:block;font-size:.85em;color:var(--quiet)}
input,select{font:inherit;color:inherit;background:var(--field);border:1px solid var(--line);border-radius:6px;padding:6px 10px;max-width:100%}
input{width:22em}
:focus-visible{outline:2px solid var(--mark);outline-offset:2px}
output{color:var(--quiet);padding:6px 0}
svg{display:block;width:100%;height:auto;margin:8px 0}
.box{cursor:pointer}.box.off{opacity:.13}.box:hover rect:first-of-type{stroke:var(--ink);stroke-width:2}
.box.on rect:first-of-type{stroke:var(--ink);stroke-width:2}
.box text{pointer-events:none}
table{border-collapse:collapse;table-layout:fixed;width:100%;margin:12px 0 32px;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--quiet);padding:4px 0}
th,td{border-bottom:1px solid var(--line);padding:4px 8px;text-align:left;overflow-wrap:anywhere}
th:nth-child(2),td:nth-child(2),th:nth-child(3),td:nth-child(3){text-align:right;white-space:nowrap}
th:nth-child(2){width:11em}th:nth-child(3){width:5em}th:nth-child(4){width:7em}td:last-child{color:var(--quiet)}
tr[hidden],section[hidden]{display:none}
@media(max-width:640px){th:nth-child(3),td:nth-child(3){display:none}th:nth-child(2){width:6.5em}th:nth-child(4){width:5.5em}td:nth-child(2){white-space:normal}}
@media print{form{display:none}body{padding:0;max-width:none}svg,tr{break-inside:avoid}thead{display:table-header-group}}
""".strip()

SCRIPT: Final = """
'use strict';
(() => {
  const form = document.querySelector('form'), search = document.getElementById('search');
  const choice = document.getElementById('image'), found = document.getElementById('found');
  const images = [...document.querySelectorAll('section')].map(section => ({
    section,
    boxes: [...section.querySelectorAll('.box')],
    rows: [...section.querySelectorAll('tbody tr')].map(row => ({
      row, box: row.dataset.box, size: Number(row.dataset.size),
      text: (row.textContent + ' ' + row.title).toLowerCase()})),
  }));
  let only = null;
  const sizeOf = bytes => {
    if (bytes < 1000) return bytes + ' B';
    for (const unit of ['kB', 'MB']) { bytes /= 1000; if (bytes < 999.95) return bytes.toFixed(1) + ' ' + unit; }
    return (bytes / 1000).toFixed(2) + ' GB';
  };
  const show = () => {
    const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
    const image = images[choice ? choice.selectedIndex : 0];
    for (const each of images) each.section.hidden = each !== image;
    const marked = new Set();
    let count = 0, size = 0;
    for (const each of image.rows) {
      const hit = (only === null || each.box === only) && words.every(word => each.text.includes(word));
      if (each.row.hidden === hit) each.row.hidden = !hit;
      if (hit) { marked.add(each.box); count += 1; size += each.size; }
    }
    const narrowed = words.length > 0 || only !== null;
    for (const box of image.boxes) {
      const hit = marked.has(box.dataset.box);
      box.classList.toggle('on', narrowed && hit);
      box.classList.toggle('off', narrowed && !hit);
    }
    found.textContent = narrowed
      ? `${count} of ${image.rows.length} lines` + (size ? `, ${sizeOf(size)}` : '') + (only === null ? '' : ' in this box; Escape shows all')
      : '';
    try { history.replaceState(null, '', words.length ? '#' + encodeURIComponent(search.value) : ' ') } catch { /* a frame without an address */ }
  };
  form.hidden = false;
  form.addEventListener('submit', event => event.preventDefault());
  let waiting = 0;
  search.addEventListener('input', () => {
    clearTimeout(waiting);
    if (images.every(each => each.rows.length < 2000)) show(); else waiting = setTimeout(show, 150);
  });
  if (choice) choice.addEventListener('change', () => { only = null; show(); });
  document.addEventListener('keydown', event => {
    if (event.key === '/' && document.activeElement !== search) { event.preventDefault(); search.focus(); }
    if (event.key === 'Escape') { only = null; search.value = ''; show(); }
  });
  for (const {section} of images) section.addEventListener('click', event => {
    const box = event.target.closest('.box');
    if (box) { only = only === box.dataset.box ? null : box.dataset.box; show(); }
  });
  try { search.value = decodeURIComponent(location.hash.slice(1)) } catch { /* not of ours */ }
  show();
})();
""".strip()
