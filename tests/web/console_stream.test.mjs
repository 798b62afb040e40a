/** The console's standing connection: what it tells of a cut, and of what is gone. */
import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";

import { Stream } from "../../web/console/stream.js";

afterEach(() => mock.restoreAll());

const EVENT = "id: 7\nevent: message\ndata: {\"text\":\"a\"}\n\n";

/** What a stream tells that gets `answers` in their order, until it tells that it is gone. */
function follow(answers) {
  const told = [];
  const fetched = mock.method(globalThis, "fetch", async () => answers.shift()());
  return new Promise((resolve) => {
    const take = ({ type, number }) => {
      told.push([type, number]);
      if (type === "gone") resolve({ told, fetched });
    };
    const tell = (type) => () => told.push([type, null]);
    new Stream("/events", take, { lost: tell("lost"), back: tell("back"), out: tell("out") });
  });
}

test("a stream that comes back to nothing tells that it is gone, and asks no more", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const answers = [() => new Response(EVENT), () => new Response("", { status: 404 })];
  const followed = follow(answers);
  while (answers.length) {
    await new Promise((resolve) => setImmediate(resolve));
    mock.timers.tick(1000);
  }
  const { told, fetched } = await followed;
  mock.timers.tick(60_000);
  await new Promise((resolve) => setImmediate(resolve));
  mock.timers.reset();
  assert.deepEqual(told, [["joined", null], ["message", 7], ["gone", null]]);
  assert.equal(fetched.mock.callCount(), 2);
});
