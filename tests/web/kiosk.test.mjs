import assert from "node:assert/strict";
import { test } from "node:test";

import { LONGEST_ANSWER_MS, NOBODY, countSeconds, step } from "../../web/kiosk_idle.js";
import { isWayOut } from "../../web/kiosk_lock.js";
import { readAddress } from "../../web/kiosk_settings.js";
import { Visits } from "../../web/kiosk_visits.js";
import { KIOSK } from "../../web/kiosk_words.js";
import { ServerError, Unreachable } from "../../web/server.js";

const TIMES = { idleMs: 60_000, countdownMs: 20_000 };

/** The phases at each second, with what happens at some of them. */
function play(seconds, happenings = {}, isAnswering = () => false) {
  let state = NOBODY;
  const phases = [];
  for (let second = 0; second <= seconds; second += 1) {
    const at = { nowMs: 1000 * second, isAnswering: isAnswering(second) };
    for (const type of [happenings[second], "passed"].filter(Boolean)) {
      state = step(state, { type, ...at }, TIMES);
    }
    if (state.phase === "wiping") {
      phases.push("wiping");
      state = step(state, { type: "wiped", ...at }, TIMES);
    } else phases.push(state.phase);
  }
  return phases;
}

test("nobody comes and nothing happens", () => {
  assert.ok(play(10_000).every((phase) => phase === "attract"));
});

test("who leaves is asked for after a minute, and wiped twenty seconds later", () => {
  const phases = play(100, { 3: "touched" });
  assert.deepEqual([phases[2], phases[3], phases[62]], ["attract", "talking", "talking"]);
  assert.deepEqual([phases[63], phases[82]], ["asking", "asking"]);
  assert.deepEqual([phases[83], phases[84]], ["wiping", "attract"]);
});

test("a touch at any moment of the countdown keeps the visit", () => {
  for (let at = 61; at < 80; at += 1) {
    const phases = play(at + 60, { 0: "touched", [at]: "touched" });
    assert.equal(phases[at], "talking");
    assert.equal(phases[at + 59], "talking");
    assert.equal(phases[at + 60], "asking");
    assert.ok(!phases.includes("wiping"));
  }
});

test("nothing is wiped while an answer is on its way, and the time counts from its end", () => {
  for (let end = 1; end < 250; end += 7) {
    const phases = play(end + 90, { 0: "touched" }, (second) => second <= end);
    assert.ok(phases.slice(0, end + 60).every((phase) => phase === "talking"), `${end}`);
    assert.equal(phases.indexOf("asking"), end + 60);
    assert.equal(phases.indexOf("wiping"), end + 80);
  }
});

test("an answer that comes during the countdown ends the countdown", () => {
  const phases = play(130, { 0: "touched" }, (second) => second >= 70 && second < 75);
  assert.equal(phases[69], "asking");
  assert.equal(phases[70], "talking");
  assert.ok(!phases.includes("wiping"));
});

test("an answer that never ends does not keep the screen for ever", () => {
  const phases = play(500, { 0: "touched" }, () => true);
  assert.equal(phases.indexOf("wiping"), LONGEST_ANSWER_MS / 1000 + 60 + 20 - 1);
});

test("who ends the visit is wiped at once, and only a visit can be ended", () => {
  const phases = play(20, { 2: "ended", 5: "touched", 9: "ended" });
  assert.deepEqual([phases[2], phases[9], phases[10]], ["attract", "wiping", "attract"]);
});

test("whatever happens, who is not touched is wiped in the end", () => {
  let seed = 7;
  const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
  for (let round = 0; round < 200; round += 1) {
    const happenings = {};
    for (let act = 0; act < 8; act += 1) {
      happenings[Math.floor(random() * 300)] = random() < 0.8 ? "touched" : "ended";
    }
    const phases = play(300 + 300 + 82, happenings, () => random() < 0.5);
    assert.equal(phases.at(-1), "attract");
  }
});

test("the seconds are counted down to nothing", () => {
  const asking = { ...NOBODY, phase: "asking", endsMs: 20_000 };
  assert.deepEqual([0, 1, 19_000, 19_999, 20_000, 30_000].map((nowMs) => countSeconds(asking, nowMs)),
    [20, 20, 1, 1, 0, 0]);
});

test("keys that lead out are stopped, keys that write are not", () => {
  const press = (key, held = {}) => isWayOut({
    key, ctrlKey: false, metaKey: false, altKey: false, ...held,
  });
  const ctrlKey = true;
  for (const key of ["F1", "F5", "F11", "F12", "ContextMenu", "BrowserBack", "BrowserHome",
    "LaunchMail", "ZoomIn", "Help", "Print"]) assert.ok(press(key), key);
  for (const key of ["r", "R", "t", "n", "w", "p", "s", "u", "o", "j", "l", "f", "d", "h", "+", "-",
    "0", "Tab", "Enter"]) assert.ok(press(key, { ctrlKey }), key);
  for (const key of ["ArrowLeft", "ArrowRight", "Home", "F4", "d"]) {
    assert.ok(press(key, { altKey: true }), key);
  }
  assert.ok(press("I", { ctrlKey, altKey: true }));
  assert.ok(press("l", { metaKey: true }));
  for (const key of ["a", "F", "Enter", "Tab", "Backspace", "ArrowLeft", "Process", "中", "Escape",
    "Home", "End", "PageDown"]) assert.ok(!press(key), key);
  for (const key of ["a", "c", "V", "x", "z"]) assert.ok(!press(key, { ctrlKey }), key);
  assert.ok(!press("@", { ctrlKey, altKey: true, altGraph: true }));
});

test("the address chooses within bounds, and anything else is as nothing", () => {
  const usual = {
    idleMs: 60_000, countdownMs: 20_000, language: "zh", theme: "auto", questions: null,
    isAloud: false, isDictated: false,
  };
  for (const search of ["", "?", "?idle=&countdown=x&language=fr&theme=red&questions=|%20|", "?idle=NaN"]) {
    assert.deepEqual(readAddress(search), usual, search);
  }
  const chosen = readAddress("?idle=90&countdown=10&language=en&theme=dark&questions=a%20b|c");
  assert.deepEqual(chosen, {
    idleMs: 90_000, countdownMs: 10_000, language: "en", theme: "dark", questions: ["a b", "c"],
    isAloud: false, isDictated: false,
  });
  assert.equal(readAddress("?idle=1").idleMs, 15_000);
  const heard = ["", "aloud", "dictation|aloud", "loud"].map((wish) => readAddress(`?speech=${wish}`));
  assert.deepEqual(heard.map((it) => it.isAloud), [false, true, true, false]);
  assert.deepEqual(heard.map((it) => it.isDictated), [false, false, true, false]);
  assert.equal(readAddress("?idle=1e9").idleMs, 600_000);
  assert.equal(readAddress("?idle=-5&countdown=0").countdownMs, 5000);
  assert.equal(readAddress(`?questions=${"x|".repeat(99)}`).questions.length, 8);
});

test("both languages have the same texts with the same places", () => {
  assert.deepEqual(Object.keys(KIOSK.en), Object.keys(KIOSK.zh));
  const places = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  for (const key of Object.keys(KIOSK.zh)) {
    assert.deepEqual(places(KIOSK.en[key]), places(KIOSK.zh[key]), key);
  }
});

const THERE = { back: async () => {} };

test("a visit's id is forgotten at once and its conversation closed", async () => {
  const closed = [];
  const visits = new Visits(async (id) => closed.push(id));
  visits.set("a");
  const ended = visits.end(THERE);
  assert.equal(visits.get(), null);
  visits.set("b");
  await ended;
  assert.deepEqual([closed, visits.get()], [["a"], "b"]);
});

test("closing is tried until the appliance has heard", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const answers = [
    new Unreachable("off"), new ServerError(503, { code: "restarting", message: "" }, 1),
    new ServerError(404, { code: "session_not_found", message: "" }, 0),
  ];
  let calls = 0;
  const visits = new Visits(async () => {
    calls += 1;
    throw answers[calls - 1];
  });
  visits.set("a");
  let isOver = false;
  const ended = visits.end(THERE).then(() => (isOver = true));
  while (!isOver) {
    await new Promise((resolve) => setImmediate(resolve));
    context.mock.timers.tick(20_000);
  }
  await ended;
  assert.equal(calls, 3);
});

test("where nothing was asked there is nothing to close", async () => {
  await new Visits(() => assert.fail("nobody was there")).end(THERE);
});
