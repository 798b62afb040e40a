import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Connection } from "../../web/connection.js";
import { ServerError } from "../../web/server.js";
import { findTurn, listShown } from "../../web/shown.js";
import { Talk } from "../../web/talk.js";
import { CONTACT, FakeAppliance } from "./appliance.mjs";

const BUSY = new ServerError(503, { code: "busy", message: "Full." }, 9);
const STEP_MS = 250;

let server;

beforeEach(() => {
  server = new FakeAppliance();
  mock.timers.enable({ apis: ["setTimeout"] });
});

afterEach(() => mock.timers.reset());

function keep(value = null) {
  return { get: () => value, set: (next) => (value = next) };
}

function createTalk(session = keep()) {
  return new Talk(server, new Connection(server.checkHealth), session);
}

/** A talk on an empty session "s1" that has joined its events. */
async function openTalk() {
  if (!server.calls.includes("openSession")) await server.openSession();
  const talk = createTalk(keep("s1"));
  const joined = server.watchers + 1;
  await talk.open();
  await until(() => server.watchers === joined);
  return talk;
}

/** Lets calls come back and time go by until `isSo`. */
async function until(isSo) {
  for (let round = 0; !isSo(); round += 1) {
    assert.ok(round < 150, `waited in vain for ${isSo}`);
    await new Promise((resolve) => setImmediate(resolve));
    if (round % 5 === 4) mock.timers.tick(STEP_MS);
  }
}

function texts(talk) {
  return listShown(talk.state).map((message) => message.text);
}

function phase(talk) {
  return findTurn(talk.state)?.phase;
}

test("the first question opens a session, keeps its id and shows its answer", async () => {
  const session = keep();
  const talk = createTalk(session);
  await talk.ask("你好");
  assert.equal(session.get(), "s1");
  for (const text of ["您", "好"]) server.tell("s1", "token", { text });
  server.finish("s1");
  await until(() => !findTurn(talk.state));
  assert.deepEqual(texts(talk), ["你好", "您好"]);
});

test("a session that is gone is quietly replaced and the question still asked", async () => {
  const session = keep("old");
  const talk = createTalk(session);
  talk.isOpening = false;
  await talk.ask("a");
  assert.equal(session.get(), "s1");
  server.finish("s1");
  await until(() => !findTurn(talk.state));
  assert.deepEqual(texts(talk), ["a", ""]);
});

test("a history that needs another key is not asked for again and again", async () => {
  const talk = createTalk(keep("s1"));
  let asked = 0;
  server.readHistory = async () => {
    asked += 1;
    throw new ServerError(401, { code: "not_authenticated", message: "Show a key." });
  };
  await talk.open();
  assert.deepEqual([asked, talk.isOpening, talk.id], [1, false, "s1"]);
  talk.leave();
});

test("a kept session that is gone starts anew without a word", async () => {
  const session = keep("old");
  const talk = createTalk(session);
  await talk.open();
  assert.deepEqual([talk.isOpening, session.get(), texts(talk)], [false, null, []]);
  assert.equal(server.watchers, 0);
});

test("a conversation that vanishes while it is shown stays to be read, and a new one begins", async () => {
  const talk = await openTalk();
  await talk.ask("a");
  server.tell("s1", "token", { text: "b" });
  await until(() => texts(talk)[1] === "b");
  server.forget("s1");
  await until(() => !findTurn(talk.state));
  assert.deepEqual(texts(talk), ["a", "b"]);
  await talk.ask("c");
  await until(() => phase(talk) === "thinking");
  assert.deepEqual(texts(talk), ["a", "b", "c", ""]);
});

test("a stream cut after every token loses nothing, doubles nothing and asks nothing twice", async () => {
  const talk = await openTalk();
  await talk.ask("a");
  for (const text of "说到头为止") {
    server.tell("s1", "token", { text });
    await until(() => texts(talk)[1].endsWith(text));
    server.cut();
    await until(() => phase(talk) === "recovering");
  }
  server.finish("s1");
  await until(() => !findTurn(talk.state));
  assert.deepEqual(texts(talk), ["a", "说到头为止"]);
  assert.equal(server.count("ask"), 1);
});

test("an appliance that says good-bye is come back to after the time it names", async () => {
  const talk = await openTalk();
  await talk.ask("a");
  server.tell("s1", "token", { text: "半" });
  await until(() => phase(talk) === "speaking");
  server.sayBye(5000);
  await until(() => phase(talk) === "recovering");
  assert.deepEqual(texts(talk), ["a", "半"]);
  const opened = server.count("openEvents");
  mock.timers.tick(4000);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(server.count("openEvents"), opened);
  server.tell("s1", "token", { text: "句" });
  await until(() => texts(talk)[1] === "半句");
});

test("a silent stream is left after a minute and joined again", async () => {
  const talk = await openTalk();
  mock.timers.tick(59_000);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(server.count("openEvents"), 1);
  mock.timers.tick(1500);
  await until(() => server.count("openEvents") === 2);
  assert.equal(talk.state.isCut, false);
});

test("a question whose answer to the call was lost is asked once", async () => {
  const talk = await openTalk();
  server.lostAnswers = 1;
  const asked = talk.ask("a");
  await until(() => server.count("ask") === 2);
  await asked;
  await until(() => phase(talk) === "thinking");
  assert.deepEqual(texts(talk), ["a", ""]);
  assert.equal((await server.readHistory("s1")).messages.length, 1);
});

test("a question asked while nobody answers is sent when the appliance is back", async () => {
  const talk = await openTalk();
  server.isDown = true;
  server.cut();
  const asked = talk.ask("a");
  await until(() => phase(talk) === "recovering");
  assert.deepEqual(texts(talk), ["a", ""]);
  server.isDown = false;
  await until(() => phase(talk) === "thinking");
  await asked;
  assert.deepEqual(texts(talk), ["a", ""]);
});

test("a store that still opens does not refuse a question that may be there", async () => {
  const opening = new ServerError(503, { code: "store_unavailable", message: "" }, 0);
  const talk = await openTalk();
  server.isDown = true;
  server.refusals = [opening];
  const asked = talk.ask("a");
  await until(() => phase(talk) === "recovering");
  server.isDown = false;
  await until(() => server.count("ask") === 3);
  await asked;
  assert.equal(talk.state.pending?.error ?? null, null);
});

test("a question asked while the appliance stops in order is sent after its restart", async () => {
  const restarting = new ServerError(503, { code: "restarting", message: "" }, 2);
  const talk = await openTalk();
  server.refusals = [restarting];
  const asked = talk.ask("a");
  await until(() => phase(talk) === "recovering");
  await until(() => phase(talk) === "thinking");
  await asked;
});

test("a refused question keeps its words and can be tried again", async () => {
  server.refusals = [BUSY];
  const talk = await openTalk();
  await talk.ask("a");
  assert.equal(listShown(talk.state)[0].error.code, "busy");
  await talk.retry();
  await until(() => phase(talk) === "thinking");
  assert.deepEqual(texts(talk), ["a", ""]);
});

test("two pages on one session see each other's questions and answers", async () => {
  const [one, two] = [await openTalk(), await openTalk()];
  await one.ask("a");
  server.tell("s1", "token", { text: "b" });
  await until(() => texts(two).join() === "a,b" && texts(one).join() === "a,b");
  assert.equal(phase(two), "speaking");
  server.finish("s1");
  await until(() => !findTurn(one.state) && !findTurn(two.state));
  await two.ask("c");
  await until(() => texts(one).join() === "a,b,c,");
  assert.deepEqual(one.state.messages, two.state.messages);
});

test("a question that came second waits for the other's answer and is then sent", async () => {
  const [one, two] = [await openTalk(), await openTalk()];
  const asked = [one.ask("a"), two.ask("b")];
  await until(() => phase(two) === "waiting" && texts(two).join() === "a,,b,");
  assert.equal(server.count("ask"), 2);
  server.finish("s1");
  await until(() => texts(one).join() === "a,,b,");
  await Promise.all(asked);
  assert.deepEqual([phase(two), server.count("ask")], ["thinking", 3]);
});

test("a question that waits for another's can be taken back", async () => {
  const [one, two] = [await openTalk(), await openTalk()];
  const asked = [one.ask("a"), two.ask("b")];
  await until(() => phase(two) === "waiting");
  await two.stop();
  await Promise.all(asked);
  server.finish("s1");
  await until(() => !findTurn(two.state));
  assert.deepEqual([texts(two), server.count("stop")], [["a", "", "b"], 0]);
  assert.equal(listShown(two.state).at(-1).error.code, "unanswered");
});

test("stopping is a call, and the answer ends by its event", async () => {
  const talk = await openTalk();
  await talk.ask("a");
  server.tell("s1", "token", { text: "b" });
  await until(() => phase(talk) === "speaking");
  await talk.stop();
  assert.equal(server.calls.at(-1), "stop");
  assert.equal(findTurn(talk.state).isStopping, true);
  server.tell("s1", "done", { finish_reason: "cancelled", timings: { total_ms: 1 } });
  await until(() => !findTurn(talk.state));
  assert.equal(listShown(talk.state)[1].finishReason, "cancelled");
});

test("a stop pressed while nobody answers is told when the appliance is back", async () => {
  const talk = await openTalk();
  await talk.ask("a");
  await until(() => phase(talk) === "thinking");
  server.isDown = true;
  server.cut();
  await until(() => phase(talk) === "recovering");
  const stopped = talk.stop();
  await until(() => server.count("stop") === 1);
  server.isDown = false;
  await until(() => server.count("stop") === 2);
  await stopped;
});

test("an end that nobody told of is found when the customer presses stop", async () => {
  const talk = await openTalk();
  await talk.ask("a");
  server.tell("s1", "token", { text: "b" });
  await until(() => phase(talk) === "speaking");
  server.end("s1");
  await talk.stop();
  assert.equal(findTurn(talk.state), null);
  assert.equal(listShown(talk.state)[1].error.code, "unanswered");
});

test("a question that cannot be sent can be given up, and asked again is the same question", async () => {
  const talk = await openTalk();
  server.lostAnswers = 1;
  talk.ask("a");
  await until(() => server.count("ask") === 1);
  server.isDown = true;
  server.cut();
  await talk.stop();
  await until(() => phase(talk) !== "sending");
  server.isDown = false;
  await until(() => texts(talk).join() === "a,");
  await talk.retry();
  assert.equal((await server.readHistory("s1")).messages.length, 1);
});

test("a new conversation stops the running answer and leaves a way back to all of it", async () => {
  const session = keep();
  const talk = createTalk(session);
  await talk.ask("a");
  server.tell("s1", "token", { text: "b" });
  await until(() => phase(talk) === "speaking");
  await talk.startAnew();
  assert.deepEqual([texts(talk), session.get(), talk.left], [[], null, "s1"]);
  assert.equal(server.calls.at(-1), "stop");
  assert.equal(server.watchers, 0);
  server.tell("s1", "token", { text: "c" });
  server.finish("s1");
  talk.goBack();
  await until(() => !findTurn(talk.state));
  assert.deepEqual([texts(talk), session.get()], [["a", "bc"], "s1"]);
});

test("a running answer found after a reload is followed to its end", async () => {
  const first = await openTalk();
  await first.ask("a");
  server.tell("s1", "token", { text: "半" });
  const second = await openTalk();
  assert.deepEqual(texts(second), ["a", "半"]);
  server.tell("s1", "token", { text: "句" });
  server.finish("s1");
  await until(() => !findTurn(second.state));
  assert.deepEqual(texts(second), ["a", "半句"]);
});

test("a page that knows more than a server from its backup reads the conversation anew", async () => {
  const talk = await openTalk();
  await talk.ask("a");
  server.tell("s1", "token", { text: "b" });
  server.tell("s1", "token", { text: "c" });
  await until(() => texts(talk)[1] === "bc");
  server.restore("s1", 2);
  await until(() => texts(talk)[1] === "b" && phase(talk) === "speaking");
  server.tell("s1", "token", { text: "d" });
  await until(() => texts(talk)[1] === "bd");
});

test("a hidden page leaves the events once its answer is there, and misses none", async () => {
  const talk = await openTalk();
  await talk.ask("a");
  await until(() => phase(talk) === "thinking");
  talk.show(false);
  assert.equal(server.watchers, 1);
  server.finish("s1");
  await until(() => server.watchers === 0);
  await server.ask("s1", "b", "other");
  server.tell("s1", "token", { text: "c" });
  talk.show(true);
  await until(() => texts(talk).join() === "a,,b,c");
  assert.equal(server.watchers, 1);
});

test("a person can be asked for before anything else was, and the wish taken back", async () => {
  const session = keep();
  const talk = createTalk(session);
  assert.equal(await talk.callPerson(true, "zh"), CONTACT);
  assert.deepEqual([session.get(), talk.state.handoff], ["s1", "waiting"]);
  await until(() => server.watchers === 1);
  assert.equal(await talk.callPerson(false), "");
  await until(() => talk.state.taken === 2);
  assert.equal(talk.state.handoff, "bot");
});

test("a question and the wish for a person at the same moment share one conversation", async () => {
  const talk = createTalk();
  await Promise.all([talk.ask("你好"), talk.callPerson(true)]);
  assert.equal(server.count("openSession"), 1);
  await until(() => talk.state.handoff === "waiting" && phase(talk) === "thinking");
});

test("a wish for a person that is called off before its session is open is not sent", async () => {
  const session = keep();
  const talk = createTalk(session);
  const wish = talk.callPerson(true, "zh");
  await talk.startAnew();
  assert.equal(await wish, "");
  assert.deepEqual([server.count("openSession"), server.count("callPerson")], [1, 0]);
  assert.deepEqual([session.get(), talk.state.handoff], [null, "bot"]);
});

test("every page of a conversation learns that a person was asked for", async () => {
  const [one, two] = [await openTalk(), await openTalk()];
  await one.callPerson(true);
  await until(() => two.state.handoff === "waiting");
  const later = await openTalk();
  assert.equal(later.state.handoff, "waiting");
});

test("a wish that does not get through is told as such, and a new conversation is the bot's", async () => {
  const talk = await openTalk();
  server.isDown = true;
  assert.equal(await talk.callPerson(true, "zh"), null);
  server.isDown = false;
  await until(() => server.watchers === 1 && server.count("openEvents") === 2);
  server.refusals.push(BUSY);
  assert.equal(await talk.callPerson(true, "zh"), null);
  assert.equal(talk.state.handoff, "bot");
  assert.equal(await talk.callPerson(true, "zh"), CONTACT);
  await talk.startAnew();
  assert.equal(talk.state.handoff, "bot");
});
