/** The key of a page of the appliance's own: from the address to the storage to the calls. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { takeKey } from "../../web/page_key.js";
import { checkHealth, isBarred, openSession } from "../../web/server.js";

const PAGE = "http://box:8000/kiosk?idle=90";
let stored;
let sent;
let answer;

beforeEach(() => {
  stored = new Map();
  sent = [];
  answer = () => Response.json({ session_id: "s1" });
  globalThis.localStorage = {
    getItem: (name) => stored.get(name) ?? null,
    setItem: (name, value) => stored.set(name, value),
    removeItem: (name) => stored.delete(name),
  };
  globalThis.addEventListener = () => {};
  globalThis.history = { replaceState: (_state, _title, url) => open(new URL(url, PAGE).href) };
  globalThis.fetch = async (path, options) => {
    sent.push([path, options.headers.Authorization]);
    return answer();
  };
});

function open(address) {
  globalThis.location = new URL(address);
}

test("without a key none is sent, and where one is needed the page is barred", async () => {
  open(PAGE);
  takeKey();
  await checkHealth();
  assert.deepEqual(sent, [["/healthz", undefined]]);
  assert.deepEqual([isBarred("key"), isBarred("open"), isBarred(undefined)], [true, false, false]);
});

test("the key leaves the address, is kept, and goes with each call from then on", async () => {
  open(`${PAGE}#key=ak_one`);
  takeKey();
  assert.equal(location.href, PAGE);
  await openSession();
  stored.set("appliance.key", "ak_two");
  takeKey();
  await openSession();
  assert.deepEqual(sent.map(([, shown]) => shown), ["Widget ak_one", "Widget ak_two"]);
  assert.equal(isBarred("key"), false);
});

test("an empty key is kept no more, and another fragment is no key", () => {
  stored.set("appliance.key", "ak_one");
  open(`${PAGE}#question`);
  takeKey();
  assert.equal(stored.get("appliance.key"), "ak_one");
  open(`${PAGE}#key=`);
  takeKey();
  assert.equal(stored.has("appliance.key"), false);
});

test("a key that opens nothing bars the page, another refusal does not", async (context) => {
  context.mock.method(console, "error", () => {});
  open(`${PAGE}#key=ak_revoked`);
  takeKey();
  answer = () => Response.json({ error: { code: "busy", message: "" } }, { status: 503 });
  await assert.rejects(openSession());
  assert.equal(isBarred("key"), false);
  answer = () => Response.json({ error: { code: "not_authenticated", message: "" } }, { status: 401 });
  await assert.rejects(openSession());
  assert.deepEqual([isBarred("key"), isBarred("open")], [true, false]);
});
