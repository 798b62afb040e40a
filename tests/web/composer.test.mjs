import assert from "node:assert/strict";
import { test } from "node:test";

import { Composer } from "../../web/composer.js";
import { Words } from "../../web/words.js";
import { Element, lay } from "./paper.mjs";

lay();
globalThis.ResizeObserver = class {
  observe() {}
};

/** A frame's parts by their ids, made when they are asked for. */
function createRoot() {
  const parts = new Map();
  return {
    querySelector: (id) => {
      if (!parts.has(id)) parts.set(id, Object.assign(new Element("div"), { style: {} }));
      return parts.get(id);
    },
  };
}

test("what was typed is let go for who comes next, and the page learns of it", () => {
  const composer = new Composer(createRoot(), new Words("zh"), "我的秘密");
  const heard = [];
  composer.addEventListener("input", () => heard.push(composer.text));
  assert.equal(composer.text, "我的秘密");
  composer.clear();
  assert.equal(composer.text, "");
  assert.deepEqual(heard, [""]);
});
