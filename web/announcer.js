/**
 * What a screen reader should hear of the conversation: that an answer began, then the whole of
 * it, once.
 *
 * It reads states and writes one live region; it changes nothing else. The rule that must not
 * break: no token is read out by itself, and a history that opens is not read out at all.
 */
import { describeError, describeWait } from "./phrases.js";
import { findTurn, listShown } from "./shown.js";

const PAINTED_MS = 100;

export class Announcer {
  #status;
  #before;
  #wasOpening;
  #id;
  #read = null;

  /** `status` is the live region. */
  constructor(status, talk) {
    this.#status = status;
    [this.#before, this.#wasOpening, this.#id] = [talk.state, talk.isOpening, talk.id];
  }

  /** Nothing overtakes what waits to be read out. */
  say(text) {
    if (!text) return;
    this.#readNow();
    this.#status.textContent = text;
  }

  #readNow() {
    if (this.#read) this.#status.textContent = this.#read();
    this.#read = null;
  }

  /** `handoff` is what the banner says, `answer` so many last answers as they are read. */
  follow({ state, isOpening, id }, words, { handoff, answer }) {
    const [before, wasOpening, idBefore] = [this.#before, this.#wasOpening, this.#id];
    [this.#before, this.#wasOpening, this.#id] = [state, isOpening, id];
    const [earlier, turn] = [findTurn(before), findTurn(state)];
    const last = listShown(state).at(-1);
    const news = [];
    if (before.handoff !== state.handoff) news.push(handoff);
    if (!earlier && turn) news.push(words.say("sayAnswering"));
    if (turn && turn.phase !== earlier?.phase && isWait(turn)) {
      news.push(describeWait(words, turn, last.text !== ""));
    }
    const isNew = earlier || (!wasOpening && isAddition(before, state, last, id === idBefore));
    const hasEnded = !turn && last && isNew;
    // Reading a long answer takes as long as showing it.
    if (hasEnded) {
      this.#readNow();
      const count = Math.max(1, countAnswers(state) - countAnswers(before) + (earlier ? 1 : 0));
      this.#read = () => join([...news, ...readEnd(last, words, () => answer(count))]);
      setTimeout(() => this.#readNow(), PAINTED_MS);
    } else this.say(join(news));
  }
}

function join(news) {
  return news.filter(Boolean).join(" ");
}

function isWait({ phase }) {
  return phase === "queued" || phase === "recovering" || phase === "looking";
}

/** Whether the shop's side has said something unasked; many at once only where events came before. */
function isAddition(before, state, last, isSame) {
  const more = state.messages.length - before.messages.length;
  return last?.role === "assistant" && (more === 1 || (more > 1 && isSame && before.taken > 0));
}

function countAnswers(state) {
  return listShown(state).filter(({ role }) => role === "assistant").length;
}

function readEnd(last, words, answer) {
  if (last.error) return [describeError(words, last)];
  if (last.role === "customer") return [];
  const { suggestions } = last.origin;
  const list = suggestions.join(words.say("listComma"));
  return [
    words.say("sayAnswered", { text: answer() }),
    suggestions.length ? words.say("saySuggestions", { list }) : "",
    last.isConfirming ? words.say("sayConfirm") : "",
  ];
}
