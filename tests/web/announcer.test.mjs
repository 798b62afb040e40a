import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Announcer } from "../../web/announcer.js";
import { EMPTY, say } from "../../web/conversation.js";
import { listShown } from "../../web/shown.js";
import { Words } from "../../web/words.js";

const WORDS = new Words("zh");

/** What is read out when a conversation goes on from `before` to `after`, each a part of a talk. */
function hear(before, after) {
  mock.timers.enable({ apis: ["setTimeout"] });
  const status = { textContent: "" };
  const announcer = new Announcer(status, before);
  const answers = listShown(after.state).filter(({ role }) => role === "assistant");
  const answer = (count) => answers.slice(-count).map(({ text }) => text).join("\n");
  announcer.follow(after, WORDS, { handoff: "", answer });
  mock.timers.runAll();
  mock.timers.reset();
  return status.textContent;
}

function talk(texts, more = {}, id = "s1") {
  const messages = texts.map((text, index) => ({ ...say("assistant", `r${index}`), text }));
  return { id, isOpening: false, state: { ...EMPTY, taken: 1, messages, ...more } };
}

test("all that the staff said at once is read out", () => {
  assert.equal(hear(talk(["一"]), talk(["一", "二"])), "回答：二");
  assert.equal(hear(talk(["一"]), talk(["一", "二", "三"])), "回答：二\n三");
  assert.equal(hear(talk([]), talk(["一", "二"])), "回答：一\n二");
});

test("what the staff said right after an answer is read out with it", () => {
  const turn = { runId: "r0", phase: "speaking" };
  assert.equal(hear(talk(["答"], { turn }), talk(["答完"])), "回答：答完");
  assert.equal(hear(talk(["答"], { turn }), talk(["答完", "二", "三"])), "回答：答完\n二\n三");
});

test("a conversation that opens or is gone back to is not read out", () => {
  const full = talk(["一", "二"]);
  assert.equal(hear({ ...talk([]), isOpening: true }, full), "");
  assert.equal(hear(talk([], { taken: 0 }), full), "");
  assert.equal(hear(talk([], {}, "s2"), full), "");
});
