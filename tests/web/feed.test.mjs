import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Feed } from "../../web/feed.js";
import { ServerError, Unreachable } from "../../web/server.js";

const OPENING = new ServerError(503, { code: "store_unavailable", message: "" }, 0);
let connection;

beforeEach(() => {
  connection = new EventTarget();
  Object.assign(connection, { isLost: false, lose: () => {}, back: async () => {} });
  mock.method(Math, "random", () => 0.5);
  mock.timers.enable({ apis: ["setTimeout"] });
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

async function settle() {
  for (let round = 0; round < 5; round += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A feed whose connections end as `ends` say, the last one again and again. */
function createFeed(ends) {
  const openEvents = mock.fn(async () => {
    const end = ends.length > 1 ? ends.shift() : ends[0];
    if (end instanceof Error) throw end;
    return new Blob([end]).stream();
  });
  return { openEvents, feed: new Feed(openEvents, connection, () => 7) };
}

async function measurePauses(openEvents, count) {
  const pauses = [];
  for (let calls = openEvents.mock.callCount(); pauses.length < count; calls += 1) {
    let waitedMs = 0;
    while (openEvents.mock.callCount() === calls) {
      mock.timers.tick(100);
      waitedMs += 100;
      await settle();
    }
    pauses.push(waitedMs);
  }
  return pauses;
}

test("a feed that cannot be joined is tried again with growing pauses, to ten seconds", async () => {
  const { feed, openEvents } = createFeed([OPENING]);
  feed.join("s1");
  await settle();
  const pauses = await measurePauses(openEvents, 7);
  assert.deepEqual(pauses, [500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  feed.leave();
});

test("a connection that said anything makes the next pause short again", async () => {
  const { feed, openEvents } = createFeed([OPENING, OPENING, ": ping\n\n", OPENING]);
  feed.join("s1");
  await settle();
  assert.deepEqual(await measurePauses(openEvents, 4), [500, 1000, 500, 1000]);
  feed.leave();
});

test("every connection asks for what follows the last event taken", async () => {
  const { feed, openEvents } = createFeed([": ping\n\n"]);
  feed.join("s1");
  await settle();
  await measurePauses(openEvents, 1);
  feed.leave();
  const asked = openEvents.mock.calls.map(({ arguments: [id, after] }) => [id, after]);
  assert.deepEqual(asked, [["s1", 7], ["s1", 7]]);
});

test("joining twice makes one connection, and leaving ends it for good", async () => {
  const { feed, openEvents } = createFeed([": ping\n\n"]);
  feed.join("s1");
  feed.join("s1");
  await settle();
  feed.leave();
  mock.timers.tick(60_000);
  await settle();
  assert.equal(openEvents.mock.callCount(), 1);
});

test("leaving while it still connects is no lost connection", async () => {
  const { feed, openEvents } = createFeed([]);
  connection.lose = mock.fn();
  openEvents.mock.mockImplementation((_id, _after, signal) => new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(new Unreachable("aborted")));
  }));
  feed.join("s1");
  feed.leave();
  await settle();
  assert.equal(connection.lose.mock.callCount(), 0);
});

test("when no call gets through any more, a stream that still stands is left too", async () => {
  const { feed, openEvents } = createFeed([]);
  const signals = [];
  openEvents.mock.mockImplementation(async (_id, _after, signal) => {
    signals.push(signal);
    return new ReadableStream({
      start: (controller) => signal.addEventListener("abort", () => controller.error("aborted")),
    });
  });
  feed.join("s1");
  await settle();
  connection.isLost = true;
  connection.dispatchEvent(new Event("change"));
  await settle();
  assert.equal(signals[0].aborted, true);
  assert.deepEqual(await measurePauses(openEvents, 1), [500]);
  feed.leave();
});
