/** The colours of the pages: those of the dark theme stand in base.css twice, and are the same. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const BASE = readFileSync(new URL("../../web/base.css", import.meta.url), "utf8");

function readBlock(selector) {
  const [, block] = BASE.split(`${selector} {`);
  return block.slice(0, block.indexOf("}")).split(";").map((line) => line.trim()).filter(Boolean);
}

function listNames(block) {
  return block.map((line) => line.split(":")[0]);
}

test("dark by choice and dark by the device are the same colours", () => {
  const chosen = readBlock(':root[data-theme="dark"]');
  assert.deepEqual(readBlock(':root:not([data-theme="light"])'), chosen);
  assert.ok(chosen.length > 10);
});

test("the dark theme leaves no colour of the light one standing", () => {
  const isColour = (line) => /#[\da-f]{6}|rgb\(|^color-scheme/.test(line);
  const light = readBlock(":root").filter(isColour);
  assert.deepEqual(listNames(light), listNames(readBlock(':root[data-theme="dark"]')));
});
