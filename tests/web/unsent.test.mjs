import assert from "node:assert/strict";
import { test } from "node:test";

import { Answering } from "../../web/console/answering.js";
import { Drafts } from "../../web/console/drafts.js";
import { isLeaving } from "../../web/console/parts.js";
import { Search } from "../../web/console/search.js";
import { Unsent } from "../../web/console/unsent.js";
import { CONSOLE_WORDS } from "../../web/console/words.js";
import { Words } from "../../web/words.js";
import { lay } from "./paper.mjs";

lay();

const words = new Words("zh").with(CONSOLE_WORDS);

test("Escape leads away, but not out of a word that is composed or a field with words", () => {
  const list = { tagName: "DIV" };
  const press = (target, more) => isLeaving({ key: "Escape", target, ...more });
  assert.equal(press(list), true);
  assert.equal(press({ tagName: "TEXTAREA", value: "" }), true);
  assert.equal(press({ tagName: "TEXTAREA", value: "您" }), false);
  assert.equal(press({ tagName: "INPUT", value: "您" }), false);
  for (const more of [{ isComposing: true }, { keyCode: 229 }, { defaultPrevented: true }, { key: "a" }]) {
    assert.equal(press(list, more), false);
  }
});

test("Escape clears the search, but not while a word is composed in it", () => {
  const field = new Search(null, words).element.querySelector("#search");
  const press = (more) => field.dispatchEvent(Object.assign(new Event("keydown"), { key: "Escape", ...more }));
  field.value = "tuihuo";
  press({ isComposing: true });
  press({ keyCode: 229 });
  assert.equal(field.value, "tuihuo");
  press();
  assert.equal(field.value, "");
});

test("an answer that was typed and not sent goes on to the next thread", () => {
  const server = { get: async () => ({ replies: [] }) };
  const open = () => new Answering(server, words, "/c", assert.fail);
  const [before, after] = [open(), open()];
  before.element.querySelector("#answer").value = "马上为您";
  after.takeUnsent(before.unsent);
  assert.equal(after.element.querySelector("#answer").value, "马上为您");
  assert.deepEqual(after.unsent, before.unsent);
});

test("what was typed waits for its account, and is forgotten as soon as another signs in", () => {
  const unsent = new Unsent();
  unsent.of("wang").set("c", "马上");
  assert.equal(unsent.of("wang").get("c"), "马上");
  assert.equal(unsent.of("li").size, 0);
  assert.equal(unsent.of("wang").size, 0);
});

test("a draft that was edited stays so, and the next draft is its own", () => {
  const open = () => new Drafts(words, assert.fail, assert.fail);
  const draft = { run_id: "r1", text: "稿", is_whole: true };
  const [before, after] = [open(), open()];
  before.show(draft);
  assert.equal(before.unsent, null);
  before.element.querySelector("#draft-text").value = "改过的稿";
  after.takeUnsent(before.unsent);
  after.show(null);
  assert.deepEqual(after.unsent, before.unsent);
  after.show(draft);
  assert.equal(after.element.querySelector("#draft-text").value, "改过的稿");
  after.show({ ...draft, run_id: "r2" });
  assert.equal(after.element.querySelector("#draft-text").value, "稿");
  after.show(null);
  assert.equal(after.unsent, null);
});
