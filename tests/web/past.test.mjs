import assert from "node:assert/strict";
import { test } from "node:test";

import { writeJson, writeText } from "../../web/export.js";
import { Past } from "../../web/past.js";
import { findIn, summarise } from "../../web/past_search.js";
import { Words } from "../../web/words.js";
import { BOXES } from "../../web/words_boxes.js";

function createPlace(text = null) {
  const place = { text, getItem: () => place.text, setItem: (_, value) => (place.text = value) };
  return place;
}

function say(role, text, more = {}) {
  return { role, text, created_ms: 1_000, run_id: "r", ...more };
}

const HISTORY = {
  messages: [
    say("customer", "怎么退货？\n我买了ＡＢＣ牌的鞋"),
    say("assistant", "七天之内带小票到店里就能退。", {
      created_ms: 9_000, source: "faq", label: "official", finish_reason: "stop",
      sources: [{ kind: "faq", title: "退货", href: "https://shop.example/r" }],
    }),
    say("customer", "😀坏"),
    say("assistant", "半", { error: { code: "engine_failed", message: "" }, source: "model" }),
  ],
};

test("the list has each conversation once, the newest first", () => {
  const place = createPlace();
  const past = new Past(() => place);
  past.add("a");
  past.add("b");
  past.add("a");
  assert.deepEqual(past.list().map(({ id }) => id), ["b", "a"]);
  past.rename("a", "退货的事");
  past.drop("b");
  assert.deepEqual(past.list(), [{ id: "a", name: "退货的事" }]);
});

test("what two tabs add is in the list of both", () => {
  const place = createPlace();
  const [one, two] = [new Past(() => place), new Past(() => place)];
  one.add("a");
  two.add("b");
  assert.deepEqual(one.list(), two.list());
  assert.equal(one.list().length, 2);
});

test("a storage that is forbidden or full of something else loses nothing of the page", () => {
  const past = new Past(() => {
    throw new Error("forbidden");
  });
  past.add("a");
  assert.deepEqual(past.list(), [{ id: "a", name: "" }]);
  for (const text of ["{", "7", "null", '[{"id":3},null,"x",{"id":"a","name":4}]']) {
    const found = new Past(() => createPlace(text)).list();
    assert.deepEqual(found, text.startsWith("[") ? [{ id: "a", name: "" }] : []);
  }
});

test("the title is the first question on one line, cut in whole characters", () => {
  assert.deepEqual(summarise(HISTORY), { title: "怎么退货？ 我买了ＡＢＣ牌的鞋", atMs: 1_000, count: 4 });
  const long = summarise({ messages: [say("customer", "😀".repeat(50))] }).title;
  assert.equal(long, `${"😀".repeat(40)}…`);
  assert.deepEqual(summarise({ messages: [] }), { title: "", atMs: null, count: 0 });
});

test("words are found in questions and answers, whatever their width and case", () => {
  assert.deepEqual(findIn(HISTORY, " abc "), { before: "怎么退货？\n我买了", hit: "ＡＢＣ", after: "牌的鞋" });
  assert.equal(findIn(HISTORY, "小票").before, "七天之内带");
  assert.equal(findIn(HISTORY, "坏").before, "😀");
  assert.equal(findIn(HISTORY, "没有的"), null);
  assert.equal(findIn(HISTORY, "  "), null);
});

test("an excerpt is a piece of the text, whatever is looked for in it", () => {
  const text = "ﬁne 😀é İstanbul ½ 一二三四五六七八九十一二三四五六七八九十".repeat(3);
  for (const query of [...new Set(text), "fi", "i", "😀é", "1", "十一二"]) {
    const found = findIn({ messages: [say("customer", text)] }, query);
    if (!query.trim()) continue;
    const shown = found.before.replace(/^…/, "") + found.hit + found.after.replace(/…$/, "");
    assert.ok(text.includes(shown), query);
    assert.ok(found.hit, query);
  }
});

test("the text to keep has every word, its label and its source, and no id", () => {
  const text = writeText(HISTORY, new Words("zh").with(BOXES));
  for (const part of ["怎么退货？", "七天之内带小票", "官方答案 · 常见问题", "https://shop.example/r",
    "AI 生成", "没有说完"]) assert.ok(text.includes(part), part);
});

test("the file for programs has what the history has", () => {
  assert.deepEqual(JSON.parse(writeJson({ ...HISTORY, event_id: 4 })), { messages: HISTORY.messages });
});
