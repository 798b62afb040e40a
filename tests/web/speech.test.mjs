/** Reading aloud and dictation: on the device itself or not at all, and never past their end. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Speech } from "../../web/speech.js";

const BOTH = { isAloud: true, isDictated: true };
const ENGLISH = { name: "e", lang: "en-GB", localService: true };
const AMERICAN = { name: "a", lang: "en_US", localService: true };
const CHINESE = { name: "c", lang: "zh-CN", localService: true };
const MANDARIN = { name: "m", lang: "cmn-latn-pinyin", localService: true };
const REMOTE = { name: "r", lang: "zh-CN", localService: false };

class FakeUtterance extends EventTarget {
  constructor(text) {
    super();
    this.text = text;
  }
}

class FakeSynthesis extends EventTarget {
  spoken = [];
  cancelled = 0;

  constructor(voices) {
    super();
    this.voices = voices;
  }

  getVoices() {
    return this.voices;
  }

  speak(utterance) {
    this.spoken.push(utterance);
  }

  cancel() {
    this.cancelled += 1;
  }
}

class FakeRecognition extends EventTarget {
  static state = "available";
  static wishes = [];
  static all = [];
  isAborted = false;

  static async available(wish) {
    FakeRecognition.wishes.push(wish);
    return FakeRecognition.state;
  }

  constructor() {
    super();
    FakeRecognition.all.push(this);
  }

  start() {}

  abort() {
    this.isAborted = true;
  }

  tell(type, values = {}) {
    this.dispatchEvent(Object.assign(new Event(type), values));
  }
}

function open(voices = [CHINESE, ENGLISH], wishes = BOTH, isSecureContext = true) {
  const speechSynthesis = new FakeSynthesis(voices);
  const browser = {
    speechSynthesis, SpeechSynthesisUtterance: FakeUtterance, SpeechRecognition: FakeRecognition,
    isSecureContext,
  };
  return { speech: new Speech(wishes, browser), synthesis: speechSynthesis };
}

test("a text is read by a voice of the device in its own language", () => {
  const { speech, synthesis } = open([REMOTE, ENGLISH, AMERICAN, MANDARIN, CHINESE]);
  speech.read("a", "您好。");
  speech.read("b", "Hello.");
  assert.deepEqual(synthesis.spoken.map(({ voice, lang }) => [voice.name, lang]), [
    ["c", "zh-CN"], ["a", "en_US"],
  ]);
});

test("where the device has no voice for it nothing can be read, and nothing is", () => {
  const { speech, synthesis } = open([REMOTE, ENGLISH]);
  assert.equal(speech.canRead("您好"), false);
  assert.equal(speech.canRead("Hello"), true);
  speech.read("a", "您好");
  assert.deepEqual([synthesis.spoken, speech.reading], [[], null]);
});

test("a browser without these functions can do neither", async () => {
  const speech = new Speech(BOTH, { isSecureContext: true });
  assert.equal(speech.canRead("Hello"), false);
  assert.equal(await speech.canListen("en"), false);
  speech.stop();
});

test("what was not wished for is not there", async () => {
  const { speech } = open([CHINESE], { isAloud: false, isDictated: false });
  assert.equal(speech.canRead("您好"), false);
  assert.equal(await speech.canListen("zh"), false);
});

test("voices that come late are told", () => {
  const { speech, synthesis } = open([]);
  let changes = 0;
  speech.addEventListener("change", () => (changes += 1));
  synthesis.voices = [CHINESE];
  synthesis.dispatchEvent(new Event("voiceschanged"));
  assert.equal(changes, 1);
  assert.equal(speech.canRead("您好"), true);
});

test("a long text is read in pieces that lose no letter, and has its end with the last", () => {
  const { speech, synthesis } = open();
  const text = `${"好".repeat(500)}。\n\n第二段！第三句`;
  speech.read("a", text);
  assert.equal(synthesis.spoken.map((it) => it.text).join(""), text);
  assert.ok(synthesis.spoken.every((it) => it.text.length <= 170));
  synthesis.spoken[0].dispatchEvent(new Event("end"));
  assert.equal(speech.reading, "a");
  assert.equal(synthesis.spoken.length, 6);
  synthesis.spoken.at(-1).dispatchEvent(new Event("end"));
  assert.equal(speech.reading, null);
});

test("a long sentence is cut between its words", () => {
  const { speech, synthesis } = open();
  const text = "and so on ".repeat(40);
  speech.read("a", text);
  const pieces = synthesis.spoken.map((it) => it.text);
  assert.equal(pieces.join(""), text);
  for (const piece of pieces) assert.match(piece, /^(?:and|so|on) .* $/);
});

test("what is stopped is silent, and its late end stops nothing that came after", () => {
  const { speech, synthesis } = open();
  speech.read("a", "您好。");
  speech.stopReading();
  assert.deepEqual([speech.reading, synthesis.cancelled], [null, 1]);
  speech.read("a", "您好。");
  synthesis.spoken[0].dispatchEvent(new Event("error"));
  assert.equal(speech.reading, "a");
  synthesis.spoken[1].dispatchEvent(new Event("error"));
  assert.equal(speech.reading, null);
});

test("it listens only where the device itself understands, and over a safe line", async () => {
  const { speech } = open();
  assert.equal(await speech.canListen("zh"), true);
  assert.deepEqual(FakeRecognition.wishes.at(-1), { langs: ["zh-CN"], processLocally: true });
  FakeRecognition.state = "downloadable";
  assert.equal(await speech.canListen("en"), false);
  FakeRecognition.state = "available";
  assert.equal(await open([CHINESE], BOTH, false).speech.canListen("zh"), false);
});

test("what is heard is told as it grows, until it ends or is stopped", () => {
  const { speech } = open();
  const heard = [];
  speech.addEventListener("heard", ({ detail }) => heard.push(detail));
  speech.listen("zh");
  const ear = FakeRecognition.all.at(-1);
  assert.deepEqual([ear.lang, ear.processLocally, speech.isListening], ["zh-CN", true, true]);
  ear.tell("result", { results: [[{ transcript: "怎么" }]] });
  ear.tell("result", { results: [[{ transcript: "怎么" }], [{ transcript: "退货" }]] });
  ear.tell("end");
  assert.deepEqual([heard, speech.isListening], [["怎么", "怎么退货"], false]);
  speech.listen("en");
  const second = FakeRecognition.all.at(-1);
  speech.stop();
  second.tell("result", { results: [[{ transcript: "late" }]] });
  assert.deepEqual([second.isAborted, speech.isListening, heard.length], [true, false, 2]);
});

test("an ear that fails is told, one that heard nothing is not", () => {
  const { speech } = open();
  let failures = 0;
  speech.addEventListener("failed", () => (failures += 1));
  for (const [error, expected] of [["no-speech", 0], ["aborted", 0], ["not-allowed", 1]]) {
    speech.listen("zh");
    FakeRecognition.all.at(-1).tell("error", { error });
    FakeRecognition.all.at(-1).tell("end");
    assert.equal(failures, expected, error);
    assert.equal(speech.isListening, false);
  }
});
