/** What a customer is told of the staff, in words. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { describeStaff } from "../../web/staff.js";
import { STAFF_WORDS } from "../../web/staff_words.js";
import { Words } from "../../web/words.js";

const words = new Words("en").with(STAFF_WORDS);
const say = (handoff, told = {}, message = "") => describeStaff(words, { handoff, told }, message);

test("only a wish for a person that stands somewhere is put in words", () => {
  assert.equal(say("bot"), "");
  assert.equal(say("of_tomorrow"), "");
  assert.match(say("waiting"), /Noted/);
  assert.match(say("human"), /the staff/);
  assert.match(say("closed"), /ended/);
});

test("who waits is told the place, the promise and how the shop is reached meanwhile", () => {
  const said = say("waiting", { place: 2, promise: "About 5 minutes." }, "Phone 400-1.");
  assert.match(said, /number 2 .* About 5 minutes\. Phone 400-1\.$/);
  assert.doesNotMatch(say("human", { place: 2 }), /number/);
});

test("who speaks is called by name where it is known", () => {
  assert.match(say("human", { name: "li" }), /with li of the staff/);
});
