/** How often `/readyz` is asked: until all is there, ever more seldom where it will not come. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Readiness } from "../../web/readiness.js";
import { Unreachable } from "../../web/server.js";

const READY = { ready: true, rungs: { knowledge: "ready", model: "ready" }, store: { state: "ready" } };
const LOADING = { ...READY, ready: false, rungs: { knowledge: "ready", model: "loading" } };
const MISSING = { ...READY, ready: false, rungs: { knowledge: "ready", model: "unavailable" } };
const CONNECTION = { lose: () => {}, back: async () => {} };

/** Answers in their order, the last one ever after; after `enough` pauses nobody looks any more. */
function follow(answers, enough = answers.length) {
  const pauses = [];
  let [asked, tell] = [0, null];
  const settled = new Promise((resolve) => (tell = resolve));
  const read = async () => {
    const answer = answers[Math.min(asked, answers.length - 1)];
    asked += 1;
    if (answer === READY) tell();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const wait = async (ms) => {
    pauses.push(ms);
    if (pauses.length < enough) return;
    readiness.show(false);
    tell();
  };
  const readiness = new Readiness(read, CONNECTION, wait);
  return { readiness, pauses, settled, count: () => asked };
}

test("what is loading is asked for every second, and not any more once it is there", async () => {
  const { readiness, pauses, settled, count } = follow([LOADING, LOADING, READY], 10);
  readiness.show(true);
  await settled;
  await new Promise(setImmediate);
  assert.deepEqual(pauses, [1000, 1000]);
  assert.equal(count(), 3);
  readiness.show(false);
  readiness.show(true);
  assert.equal(count(), 3);
});

test("what will not come is asked for ever more seldom, up to five minutes apart", async () => {
  const { readiness, pauses, settled } = follow([MISSING], 8);
  readiness.show(true);
  await settled;
  assert.deepEqual(pauses, [10, 20, 40, 80, 160, 300, 300, 300].map((s) => s * 1000));
});

test("news begin the pauses anew", async () => {
  const { readiness, pauses, settled } = follow([MISSING, MISSING, LOADING, MISSING], 4);
  readiness.show(true);
  await settled;
  assert.deepEqual(pauses, [10_000, 20_000, 1000, 10_000]);
});

test("nobody is asked while nobody looks, and at once when somebody looks again", async () => {
  const { readiness, settled, count } = follow([MISSING], 1);
  readiness.watch();
  assert.equal(count(), 0);
  readiness.show(true);
  await settled;
  assert.equal(count(), 1);
  readiness.watch();
  assert.equal(count(), 1);
  readiness.show(true);
  assert.equal(count(), 2);
  readiness.show(false);
});

test("an appliance that cannot be reached is told to the connection and asked again", async () => {
  let lost = 0;
  const answers = [new Unreachable("gone"), READY];
  const wait = async () => {};
  const connection = { ...CONNECTION, lose: () => (lost += 1) };
  const readiness = new Readiness(async () => {
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  }, connection, wait);
  const told = new Promise((resolve) => readiness.addEventListener("change", resolve));
  readiness.show(true);
  await told;
  assert.equal(lost, 1);
  assert.equal(readiness.current, READY);
});
