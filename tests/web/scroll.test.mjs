// Who is taken along by a growing answer, and who went up to read.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Scroll } from "../../web/scroll.js";

globalThis.ResizeObserver = class {
  observe() {}
};

function open({ height, seen }) {
  const told = {};
  const view = {
    scrollHeight: height,
    clientHeight: seen,
    scrollTop: 0,
    addEventListener: (_, look) => (told.look = look),
  };
  const button = { hidden: true, addEventListener() {} };
  const scroll = new Scroll(view, { firstChild: {} }, button);
  const end = () => view.scrollHeight - view.clientHeight;
  scroll.follow();
  view.scrollTop = end();
  told.look();
  return { view, button, scroll, end, look: () => told.look() };
}

test("a reader at the end is taken along", () => {
  const { view, button, scroll } = open({ height: 1000, seen: 400 });
  view.scrollHeight = 1300;
  scroll.follow();
  assert.equal(view.scrollTop, 1300);
  assert.equal(button.hidden, true);
});

test("who goes up stays there and gets the button", () => {
  const { view, button, scroll, look } = open({ height: 1000, seen: 400 });
  view.scrollTop = 200;
  look();
  assert.equal(button.hidden, false);
  view.scrollHeight = 1300;
  scroll.follow();
  assert.equal(view.scrollTop, 200);
});

test("the way up that the browser goes where the content shrank is no reader's", () => {
  const { view, button, scroll, end, look } = open({ height: 1000, seen: 400 });
  view.scrollHeight = 700;
  view.scrollTop = end();
  view.scrollHeight = 900;
  look();
  assert.equal(button.hidden, true);
  scroll.follow();
  assert.equal(view.scrollTop, 900);
});

test("nor the one where the view grew", () => {
  const { view, button, end, look } = open({ height: 1000, seen: 400 });
  view.clientHeight = 500;
  view.scrollTop = end();
  view.scrollHeight = 1200;
  look();
  assert.equal(button.hidden, true);
});
