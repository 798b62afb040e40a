/** What the customer says of a conversation at its end, as it is sent. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { buildRating } from "../../web/rating.js";
import { STAFF_WORDS } from "../../web/staff_words.js";
import { Words } from "../../web/words.js";
import { lay } from "./paper.mjs";

lay();

/** A question that is asked; what was sent, each taken or not as `taken()` says. */
function ask(taken = async () => true) {
  const sent = [];
  const rating = buildRating((body) => {
    sent.push(body);
    return taken(body);
  });
  rating.speak(new Words("zh").with(STAFF_WORDS));
  rating.begin();
  return { rating, sent };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

async function press(rating, stars) {
  rating.element.querySelectorAll(".star")[stars - 1].dispatchEvent(new Event("click"));
  await settle();
}

async function comment(rating, text) {
  rating.element.querySelector("input").value = text;
  rating.element.querySelector("form").dispatchEvent(new Event("submit"));
  await settle();
}

test("other stars leave the comment to the server, and ask for no second one in the same conversation", async () => {
  const { rating, sent } = ask();
  await press(rating, 4);
  await comment(rating, "很快");
  await press(rating, 5);
  const form = rating.element.querySelector("form");
  assert.equal(form.hidden, true);
  rating.begin();
  await press(rating, 3);
  assert.equal(form.hidden, false);
  assert.deepEqual(sent, [{ stars: 4 }, { stars: 4, comment: "很快" }, { stars: 5 }, { stars: 3 }]);
});

test("a comment that was not kept can be sent after other stars", async () => {
  const { rating, sent } = ask(async ({ comment: text }) => !text);
  await press(rating, 4);
  await comment(rating, "很快");
  await press(rating, 5);
  assert.deepEqual(sent.at(-1), { stars: 5 });
  assert.equal(rating.element.querySelector("form").hidden, false);
  assert.equal(rating.element.querySelector("input").value, "很快");
});

test("an answer that comes after the end says nothing of the next conversation", async () => {
  let take;
  const { rating } = ask(({ comment: text }) => (text ? new Promise((resolve) => (take = resolve)) : true));
  await press(rating, 4);
  await comment(rating, "很快");
  rating.begin();
  take(true);
  await settle();
  await press(rating, 1);
  assert.equal(rating.element.querySelector("form").hidden, false);
});
