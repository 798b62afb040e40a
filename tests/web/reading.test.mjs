/** How often a conversation at the console is read: until it is told, and no more where it is gone. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Reading } from "../../web/console/reading.js";

const UNREACHED = { code: "unreached" };
const GONE = { code: "session_not_found" };

/** A reading that gets `answers` in their order, and what it told and waited for. */
function stand(answers, wait = async () => {}) {
  const told = [];
  const pauses = [];
  let asked = 0;
  const get = async () => {
    const answer = answers[asked];
    asked += 1;
    if (answer.code) throw answer;
    return answer;
  };
  const on = {
    answer: ({ name }) => told.push(name),
    failed: ({ code }) => told.push(code),
    gone: () => told.push("gone"),
  };
  const pauseAfter = (failures, signal) => {
    pauses.push(failures);
    return wait(signal);
  };
  return { reading: new Reading(get, on, pauseAfter), told, pauses, count: () => asked };
}

test("what fails is read again, after a longer pause each time, until it is told", async () => {
  const { reading, told, pauses } = stand([UNREACHED, UNREACHED, UNREACHED, { name: "a" }]);
  await reading.read();
  assert.deepEqual(told, ["unreached", "unreached", "unreached", "a"]);
  assert.deepEqual(pauses, [0, 1, 2]);
});

test("a conversation that is gone is told once and read no more", async () => {
  const { reading, told, pauses, count } = stand([UNREACHED, GONE]);
  await reading.read();
  await reading.read();
  reading.soon();
  assert.deepEqual([told, pauses, count()], [["unreached", "gone"], [0], 2]);
});

test("a further reading takes the place of the next try of the one before", async () => {
  const hold = (signal) => new Promise((resolve) => signal.addEventListener("abort", resolve));
  const { reading, told, count } = stand([UNREACHED, { name: "a" }], hold);
  const first = reading.read();
  await new Promise((resolve) => setImmediate(resolve));
  await reading.read();
  await first;
  assert.deepEqual([told, count()], [["unreached", "a"], 2]);
});

test("a reading that was closed tells nothing of what comes late", async () => {
  const { reading, told } = stand([{ name: "a" }]);
  const late = reading.read();
  reading.close();
  await late;
  assert.deepEqual(told, []);
});
