/** What a page asks for at once: every module that its first one needs, and no other. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const WEB = new URL("../../web/", import.meta.url);
const IMPORT = /^(?:import|export)\s[^"']*?["'](\.[^"']+)["'];/gm;

function read(name) {
  return readFileSync(new URL(name, WEB), "utf8");
}

/** The module and all that it imports, by their paths below `web/`. */
function follow(name, found = new Set()) {
  if (found.has(name)) return found;
  found.add(name);
  for (const [, path] of read(name).matchAll(IMPORT)) {
    follow(new URL(path, new URL(name, WEB)).href.slice(WEB.href.length), found);
  }
  return found;
}

const FIRST = {
  "index.html": "chat.js", "kiosk.html": "kiosk.js", "widget.html": "widget_frame.js",
};

for (const [page, first] of Object.entries(FIRST)) {
  test(`${page} asks at once for every module that it needs`, () => {
    const asked = [...read(page).matchAll(
      /<(?:link rel="modulepreload"|script type="module")[^>]* (?:href|src)="\/web\/([^"]+)"/g,
    )].map(([, name]) => name);
    const needed = [...follow(first)];
    assert.ok(needed.length > 20);
    assert.deepEqual(asked.sort(), needed.sort());
  });
}
