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

for (const page of ["index.html", "kiosk.html", "widget.html"]) {
  test(`${page} asks at once for every module that it needs`, () => {
    const markup = read(page);
    const [, first] = /<script type="module"[^>]* src="\/web\/([^"]+)"/.exec(markup);
    const asked = [...markup.matchAll(/<link rel="modulepreload"[^>]* href="\/web\/([^"]+)"/g)];
    const needed = [...follow(first)].filter((name) => name !== first).sort();
    assert.ok(needed.length > 20);
    assert.deepEqual(asked.map(([, name]) => name).sort(), needed);
  });
}
