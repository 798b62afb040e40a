/** The tab of conversations: how its list is read, and what it tells where that fails. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { open } from "../../web/console/conversations.js";
import { CONSOLE_WORDS } from "../../web/console/words.js";
import { Words } from "../../web/words.js";
import { Element, lay } from "./paper.mjs";

lay();

const words = new Words("en").with(CONSOLE_WORDS);
const UNREACHED = { code: "unreached" };
const WAITING = { id: "b".repeat(64), state: "waiting", since_ms: 0, last_at_ms: 0 };

let desk;

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "setInterval"] }));

afterEach(() => {
  desk.tab.close();
  mock.timers.reset();
});

/** A desk whose list gets `answers` in their order, and what it asked for and called out. */
function sit(answers, post) {
  const [root, asked, called] = [new Element("main"), [], []];
  let tell;
  const server = {
    account: "wang",
    mayChange: true,
    get: async (path) => {
      if (!path.includes("limit=100")) return { conversations: [], counts: {} };
      asked.push(path);
      const answer = answers.shift();
      if (answer.code) throw answer;
      return { conversations: [], counts: {}, ...answer };
    },
    post,
    stream: (_, onEvent) => {
      tell = onEvent;
      return { close: () => {} };
    },
  };
  const alerts = { showWaiting: () => {}, call: () => called.push("wish") };
  const tab = open(root, server, words, alerts, new Map());
  return { tab, root, asked, called, tell: (type, data) => tell({ type, data }) };
}

/** Lets calls come back and `ms` go by. */
async function wait(ms) {
  for (let passed = 0; passed <= ms; passed += 250) {
    await new Promise((resolve) => setImmediate(resolve));
    mock.timers.tick(250);
  }
  await new Promise((resolve) => setImmediate(resolve));
}

function read({ root }) {
  return root.querySelector(".list").querySelector(".said").textContent;
}

test("a list that could not be read is asked for until it is there, and new wishes are called then", async () => {
  desk = sit([UNREACHED, UNREACHED, {}]);
  desk.tell("joined", {});
  await wait(250);
  assert.equal(read(desk), words.say("refusedUnreached"));
  await wait(2000);
  assert.deepEqual([desk.asked.length, read(desk)], [3, ""]);
  desk.tell("conversation", WAITING);
  assert.deepEqual(desk.called, ["wish"]);
});

test("another filter takes the place of what is still tried", async () => {
  desk = sit([UNREACHED, {}]);
  desk.tell("joined", {});
  await wait(0);
  desk.root.querySelectorAll(".state-choice")[1].dispatchEvent(new Event("click"));
  await wait(5000);
  assert.deepEqual(desk.asked.map((path) => path.includes("state=waiting")), [false, true]);
  assert.equal(read(desk), "");
});

test("a press for older ones that was refused is told above the list", async () => {
  desk = sit([{ next: "older" }, UNREACHED]);
  desk.tell("joined", {});
  await wait(0);
  desk.root.querySelector(".list").querySelector(".plain").dispatchEvent(new Event("click"));
  await wait(5000);
  assert.deepEqual([desk.asked.length, read(desk)], [2, words.say("refusedUnreached")]);
});

test("a refusal to hold all answers stands beside the switch until a press is taken", async () => {
  const replies = [{ code: "access_denied" }, { is_held: true }];
  desk = sit([{}], async () => {
    const reply = replies.shift();
    if (reply.code) throw reply;
    return reply;
  });
  desk.tell("operators", { names: ["wang"], is_held: false });
  const place = desk.root.querySelector(".hold-all");
  const [said, button] = [place.querySelector(".said"), place.querySelector("button")];
  const press = async () => {
    button.dispatchEvent(new Event("click"));
    await wait(0);
    return [place.hidden, said.textContent, button.getAttribute("aria-pressed")];
  };
  assert.deepEqual(await press(), [false, words.say("refusedRole"), "false"]);
  assert.deepEqual(await press(), [false, "", "true"]);
  desk.tell("operators", { names: ["li", "wang"], is_held: false });
  assert.equal(button.getAttribute("aria-pressed"), "false", "somebody else pressed it");
});
