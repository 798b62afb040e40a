/** The calls of the console: when somebody counts as signed out. */
import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";

import { ConsoleServer } from "../../web/console/server.js";

const ME = { account: "wang", role: "operator", csrf: "c" };

afterEach(() => mock.restoreAll());

function refuse(status, code) {
  return Response.json({ error: { code, message: "" } }, { status });
}

/** Signs out where the server gives `answer()`; who is signed in then, and how often it was told. */
async function signOut(answer) {
  const server = new ConsoleServer();
  let told = 0;
  server.addEventListener("out", () => (told += 1));
  const answers = [() => Response.json(ME), answer];
  mock.method(globalThis, "fetch", async () => answers.shift()());
  await server.resume();
  const refused = await server.signOut().catch((error) => error.code);
  return [server.account, told, refused];
}

test("who was signed out by the server, now or before, is told so once", async () => {
  for (const answer of [() => Response.json({}), () => refuse(401, "not_authenticated")]) {
    assert.deepEqual(await signOut(answer), ["", 1, undefined]);
  }
});

test("whoever the server did not sign out is not told so", async () => {
  const unreached = () => {
    throw new TypeError("cut");
  };
  assert.deepEqual(await signOut(() => refuse(429, "too_many_requests")), ["wang", 0, "too_many_requests"]);
  assert.deepEqual(await signOut(() => refuse(503, "store_unavailable")), ["wang", 0, "store_unavailable"]);
  assert.deepEqual(await signOut(unreached), ["wang", 0, "unreached"]);
});
