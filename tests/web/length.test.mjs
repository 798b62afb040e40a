/** How long a message may be: told near the limit, whatever that is. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { countChars, describeLength } from "../../web/length.js";
import { Words } from "../../web/words.js";

const WORDS = new Words("zh");

test("characters are counted as the server counts them", () => {
  assert.equal(countChars("好😀a"), 3);
});

test("what is left of the limit is told when a tenth of it is left, and what is too much", () => {
  const describe = (chars, most) => describeLength(WORDS, "😀".repeat(chars), most);
  assert.deepEqual(describe(1799, 2000), { told: "", isOver: false });
  assert.deepEqual(describe(1800, 2000), { told: "还可输入 200 字", isOver: false });
  assert.deepEqual(describe(2001, 2000), { told: "超出 1 字，请缩短后再发送", isOver: true });
  assert.deepEqual(describe(2001, 4000), { told: "", isOver: false });
  assert.deepEqual(describe(11, 10), { told: "超出 1 字，请缩短后再发送", isOver: true });
  assert.deepEqual(describe(0, 1), { told: "", isOver: false });
});
