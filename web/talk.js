/**
 * One customer's talk with the appliance: asking, following, stopping, starting anew.
 *
 * It touches no page: the page listens to `change` and reads `state`. The rule that must not
 * break: a question is sent once, or once more only after the history shows it never arrived.
 */
import { EMPTY, countQuestions, findFailed, reduce } from "./conversation.js";
import { pause, poll } from "./poll.js";
import { ServerError, Unreachable } from "./server.js";
import { readFrames } from "./stream.js";

const FOLLOW_MS = [1000, 1000, 1500, 2000, 3000];
const LOST_SESSION = 404;
const TURN_RUNNING = "turn_running";
const CONNECTION_ERROR = { code: "connection", message: "" };

export class Talk extends EventTarget {
  #server;
  #connection;
  #session;
  #turn = new AbortController();
  #previous = null;

  /** `session` keeps the id: {get, set}. */
  constructor(server, connection, session) {
    super();
    this.#server = server;
    this.#connection = connection;
    this.#session = session;
    this.state = EMPTY;
    this.isOpening = session.get() !== null;
  }

  get canGoBack() {
    return this.#previous !== null;
  }

  /** Shows the conversation of before, and follows an answer that is still being said. */
  async open() {
    const turn = this.#begin();
    await this.#follow(turn);
    this.isOpening = false;
    this.#tell();
  }

  async ask(text) {
    if (this.state.turn || this.isOpening) return;
    this.#previous = null;
    const turn = this.#begin();
    this.#apply(turn, { type: "asked", text });
    while (!(await this.#try(text, turn)));
  }

  async retry() {
    const failed = findFailed(this.state);
    if (failed) await this.ask(failed.text);
  }

  /** Stopping is a call; the answer then ends by itself with what was said so far. */
  async stop() {
    const { turn } = this.state;
    if (!turn || turn.isStopping) return;
    if (turn.phase === "recovering") return this.#giveUp();
    this.#apply(this.#turn.signal, { type: "stopping" });
    if (turn.phase !== "sending") await this.#callStop(this.#session.get());
  }

  async startAnew() {
    const left = this.#session.get();
    const isAnswering = this.state.turn !== null;
    if (this.state.messages.length) this.#previous = { id: left, state: this.#settle() };
    this.#restart(null, EMPTY);
    if (isAnswering && left) await this.#callStop(left);
  }

  /** Back to the conversation that `startAnew` left. */
  async goBack() {
    const { id, state } = this.#previous;
    this.#previous = null;
    this.#restart(id, state);
    if (id) await this.#follow(this.#turn.signal);
  }

  #settle() {
    return this.state.turn ? reduce(this.state, leaveOff(this.state)) : this.state;
  }

  #restart(id, state) {
    this.#begin();
    this.#session.set(id);
    this.isOpening = false;
    this.state = state;
    this.#tell();
  }

  #begin() {
    this.#turn.abort();
    this.#turn = new AbortController();
    return this.#turn.signal;
  }

  /** True when the question has its answer or was refused; false to send it once more. */
  async #try(text, turn) {
    try {
      const body = await this.#post(text, turn);
      const { isStopping } = this.state.turn ?? {};
      this.#apply(turn, { type: "accepted" });
      if (isStopping) this.#callStop(this.#session.get());
      for await (const frame of readFrames(body)) this.#apply(turn, frame);
      return true;
    } catch (error) {
      if (turn.aborted) return true;
      if (error instanceof ServerError && error.code !== TURN_RUNNING) {
        this.#apply(turn, { type: "refused", error });
        return true;
      }
      return this.#recover(text, turn, error);
    }
  }

  async #post(text, turn) {
    if (!this.#session.get()) await this.#openSession();
    try {
      return await this.#server.ask(this.#session.get(), text, turn);
    } catch (error) {
      if (error.status !== LOST_SESSION) throw error;
      await this.#openSession();
      return this.#server.ask(this.#session.get(), text, turn);
    }
  }

  async #openSession() {
    this.#session.set(await this.#server.openSession());
    this.state = { ...this.state, storedQuestions: 0 };
  }

  /**
   * After a cut, or while another page's question is answered: the history tells whether ours
   * arrived. If it did, its answer is followed; if not, it is sent when its turn has come.
   */
  async #recover(text, turn, error) {
    const { storedQuestions, messages } = this.state;
    this.#apply(turn, { type: "broken" });
    if (error instanceof Unreachable) this.#connection.lose();
    await this.#connection.back();
    const history = await this.#readHistory(turn);
    const isNew = history && countQuestions(history) > storedQuestions;
    if (messages.at(-2).isStored || (isNew && hasAsked(history, text))) {
      await this.#follow(turn);
      return true;
    }
    await poll(async () => !(await this.#readHistory(turn))?.running, FOLLOW_MS, turn);
    await pause(FOLLOW_MS[0], turn);
    return turn.aborted;
  }

  async #follow(turn) {
    await poll(async () => {
      const history = await this.#readHistory(turn);
      if (history) this.#apply(turn, { type: "history", history });
      return !history?.running;
    }, FOLLOW_MS, turn);
  }

  /** The history, waiting for the connection if need be; null for a session that is gone. */
  async #readHistory(turn) {
    while (!turn.aborted && this.#session.get()) {
      try {
        return await this.#server.readHistory(this.#session.get());
      } catch (error) {
        if (error.status === LOST_SESSION) return this.#loseSession(turn);
        if (error instanceof Unreachable) this.#connection.lose();
        await this.#connection.back();
        await pause(FOLLOW_MS[0], turn);
      }
    }
    return null;
  }

  #loseSession(turn) {
    if (!turn.aborted) this.#session.set(null);
    return null;
  }

  async #callStop(sessionId) {
    try {
      await this.#server.stop(sessionId);
    } catch {
      this.#connection.check();
    }
  }

  #giveUp() {
    this.#begin();
    this.#apply(this.#turn.signal, leaveOff(this.state));
  }

  #apply(turn, action) {
    if (turn.aborted) return;
    this.state = reduce(this.state, action);
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}

/** The end of a turn that this page no longer waits for. */
function leaveOff(state) {
  if (!state.messages.at(-2).isStored) return { type: "refused", error: CONNECTION_ERROR };
  return { type: "failed", runId: null, ...CONNECTION_ERROR };
}

/** Whether the last question of `history` is `text`, whatever the server tidied in it. */
function hasAsked(history, text) {
  const asked = history.messages.findLast((row) => row.role === "customer");
  return squeeze(asked.text) === squeeze(text);
}

function squeeze(text) {
  return text.replace(/[\s\p{C}]/gu, "");
}
