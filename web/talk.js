/**
 * One customer's talk with the appliance: asking, listening, stopping, starting anew.
 *
 * It touches no page: the page listens to `change` and reads `state`. The rule that must not
 * break: a question keeps its `clientId` however often it is sent, so it is never asked twice.
 */
import { TURN_RUNNING, createClientId, isRefusal } from "./asking.js";
import { EMPTY, UNANSWERED, reduce } from "./conversation.js";
import { Feed } from "./feed.js";
import { pause, pauseAfter } from "./pause.js";
import { LOST_SESSION, ServerError, Unreachable, isKeyError } from "./server.js";
import { findFailed, findTurn, listShown } from "./shown.js";

const AGAIN_MS = 500;
const CONNECTION_ERROR = { code: "connection", message: "" };

/** Fires `change` with every new state, `joined` when the server's events come (again), `typing`. */
export class Talk extends EventTarget {
  #server;
  #connection;
  #session;
  #feed;
  #sending = new AbortController();
  #reading = new AbortController();
  #isVisible = true;
  #previous = null;
  #opening = null;

  /** `session` keeps the id: {get, set}. */
  constructor(server, connection, session) {
    super();
    this.#server = server;
    this.#connection = connection;
    this.#session = session;
    this.state = EMPTY;
    this.isOpening = session.get() !== null;
    this.#feed = this.#createFeed();
  }

  /** Of the conversation that stands here, and of the one before; null where there is none. */
  get id() { return this.#session.get(); }
  get left() { return this.#previous?.id ?? null; }

  /** Shows the conversation of before; its events go on from there. */
  async open() {
    const signal = this.#startReading();
    this.isOpening = this.#session.get() !== null;
    this.#attend();
    const history = await this.#readHistory(signal);
    if (signal.aborted) return;
    this.isOpening = false;
    if (history) this.#apply({ type: "history", history });
    else this.#tell();
  }

  /** A page that nobody sees needs no connection, unless an answer is awaited. */
  show(isVisible) {
    this.#isVisible = isVisible;
    this.#attend();
  }

  async ask(text, clientId = createClientId()) {
    if (findTurn(this.state) || this.isOpening) return;
    this.#previous = null;
    const signal = this.#startSending();
    this.#apply({ type: "asked", text, clientId });
    await this.#send({ text, clientId }, signal);
  }

  async retry() {
    const failed = findFailed(this.state);
    if (failed) await this.ask(failed.text, failed.clientId ?? createClientId());
  }

  /** Stopping is a call; the answer then ends by itself with what was said so far. */
  async stop() {
    const turn = findTurn(this.state);
    if (!turn || turn.isStopping) return;
    const { pending } = this.state;
    const isHeld = pending?.phase === "recovering" || pending?.phase === "waiting";
    if (isHeld && !pending.isMaybeThere) return this.#giveUp();
    this.#apply({ type: "stopping" });
    if (pending?.phase !== "sending" || pending.isMaybeThere) await this.#callStop();
  }

  /** Asks for a person, or for none any more; gives the shop's words, null if it did not get through. */
  async callPerson(isWanted, language) {
    const { signal } = this.#reading;
    let message = "";
    const isTaken = await this.#dare(async () => {
      const sessionId = this.#session.get() ?? (await this.#openSession(signal));
      if (signal.aborted) return;
      const { handoff, ...told } = await this.#server.callPerson(sessionId, isWanted, language);
      message = told.message;
      if (!signal.aborted) this.#apply({ type: "handoff", handoff, told });
    });
    return isTaken || signal.aborted ? message : null;
  }

  /** What is no question, by its `part` of the address; false where it did not get through. */
  tell(part, body, id = this.#session.get()) {
    return this.#dare(() => this.#server.send(id, part, body));
  }

  async startAnew() {
    const left = this.#session.get();
    const isAnswering = findTurn(this.state) !== null;
    if (isAnswering) this.#giveUp();
    const isWorthKeeping = listShown(this.state).length > 0;
    if (isWorthKeeping) this.#previous = { id: left, state: this.state };
    this.#restart(null, EMPTY);
    if (isAnswering && left) await this.#server.stop(left).catch(() => this.#connection.check());
  }

  /** Another conversation of this browser; the one that is left goes on at the server. */
  async switchTo(id) {
    if (id === this.#session.get()) return;
    this.#giveUp();
    this.#previous = null;
    this.#restart(id, EMPTY);
    await this.open();
  }

  /** What the customer says of an answer; false where it did not get through. */
  async judge(runId, verdict, reason) {
    const before = this.state.messages.find((it) => it.runId === runId && it.role === "assistant");
    const [sessionId, { signal }] = [this.#session.get(), this.#reading];
    if (!before || !sessionId) return false;
    this.#apply({ type: "judged", runId, feedback: verdict && { verdict, reason } });
    const isTaken = await this.#dare(() => this.#server.judge(sessionId, runId, verdict, reason));
    if (!isTaken && !signal.aborted) this.#apply({ type: "judged", runId, feedback: before.feedback });
    return isTaken;
  }

  /** Leaves a conversation that is to be deleted, and lets nobody go back to it. */
  async abandon(id) {
    if (id === this.#session.get()) await this.startAnew();
    if (id !== this.#previous?.id) return;
    this.#previous = null;
    this.#tell();
  }

  /** Lets the connection go for good. */
  leave() {
    this.#startSending();
    this.#startReading();
    this.#feed.leave();
  }

  /** Back to the conversation that `startAnew` left, and to what happened in it since. */
  goBack() {
    const { id, state } = this.#previous;
    this.#previous = null;
    this.#restart(id, state);
  }

  #createFeed() {
    const feed = new Feed(this.#server.openEvents, this.#connection, () => this.state.taken);
    feed.addEventListener("events", ({ detail }) => this.#take(detail));
    feed.addEventListener("cut", () => this.#apply({ type: "cut" }));
    feed.addEventListener("gone", () => this.#forget(this.#session.get()));
    feed.addEventListener("joined", () => {
      this.#apply({ type: "joined" });
      this.dispatchEvent(new Event("joined"));
    });
    return feed;
  }

  /** A rewind without a number: the server knows less than this page, so the page reads anew. */
  #take(events) {
    if (events.some(({ type, number }) => type === "rewind" && number === null)) this.open();
    else this.#apply({ type: "events", events });
    if (events.some(({ who }) => who === "operator")) this.dispatchEvent(new Event("typing"));
  }

  #restart(id, state) {
    this.#startSending();
    this.#startReading();
    this.#feed.leave();
    this.#session.set(id);
    this.isOpening = false;
    this.state = state;
    this.#tell();
  }

  /** Ends what is still being sent. */
  #startSending() {
    this.#sending.abort();
    this.#sending = new AbortController();
    return this.#sending.signal;
  }

  #startReading() {
    this.#reading.abort();
    this.#reading = new AbortController();
    return this.#reading.signal;
  }

  /** Sends until the server has it or refuses it, with the pauses that each trouble asks for. */
  async #send(question, signal) {
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        const { eventId } = await this.#post(question, signal);
        if (!signal.aborted) this.#accept(eventId);
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (isRefusal(error, failures)) return this.#apply({ type: "refused", error });
        if (this.state.pending.isStopping) return this.#giveUp();
        await this.#hold(error, failures, signal);
      }
      if (!signal.aborted) this.#apply({ type: "sending" });
    }
  }

  #accept(eventId) {
    const { isStopping } = this.state.pending;
    this.#apply({ type: "accepted", eventId });
    if (isStopping) this.#callStop();
  }

  async #post({ text, clientId }, signal) {
    const sessionId = this.#session.get() ?? (await this.#openSession(signal));
    try {
      return await this.#server.ask(sessionId, text, clientId, signal);
    } catch (error) {
      if (error.status !== LOST_SESSION || signal.aborted) throw error;
      this.#forget(sessionId);
      return this.#server.ask(await this.#openSession(signal), text, clientId, signal);
    }
  }

  /** A question and the wish for a person may need the first session at the same moment. */
  async #openSession(signal) {
    this.#opening ??= this.#server.openSession().finally(() => (this.#opening = null));
    const sessionId = await this.#opening;
    if (signal.aborted) return sessionId;
    this.#session.set(sessionId);
    this.#attend();
    return sessionId;
  }

  async #hold(error, failures, signal) {
    if (error.code === TURN_RUNNING) return this.#waitForEnd(signal);
    this.#apply({ type: "recovering" });
    await this.#wait(error, failures, signal);
  }

  async #wait(error, failures, signal) {
    if (error instanceof Unreachable) this.#connection.lose();
    await Promise.all([pauseAfter(failures, signal), this.#connection.back()]);
  }

  /** Another page asked first: its turn's end comes as an event, if it has not come already. */
  async #waitForEnd(signal) {
    this.#apply({ type: "waiting" });
    if (!this.state.turn) await pause(AGAIN_MS, signal);
    while (this.state.turn && !signal.aborted) await this.#waitForChange(signal);
  }

  #waitForChange(signal) {
    return new Promise((resolve) => {
      const end = () => {
        this.removeEventListener("change", end);
        signal.removeEventListener("abort", end);
        resolve();
      };
      this.addEventListener("change", end);
      signal.addEventListener("abort", end);
    });
  }

  /** The history, waiting for the connection if need be; null for one that is gone or locked. */
  async #readHistory(signal) {
    for (let failures = 0; !signal.aborted && this.#session.get(); failures += 1) {
      const sessionId = this.#session.get();
      try {
        return await this.#server.readHistory(sessionId);
      } catch (error) {
        if (signal.aborted || isKeyError(error)) return null;
        if (error.status === LOST_SESSION) this.#forget(sessionId);
        else await this.#wait(error, failures, signal);
      }
    }
    return null;
  }

  /** Where the server has nothing to stop, its word of the end was lost: the page reads anew. */
  async #callStop() {
    const sessionId = this.#session.get();
    for (let failures = 0; this.#isStopping(sessionId); failures += 1) {
      try {
        const isStopped = await this.#server.stop(sessionId);
        if (!isStopped && this.#isStopping(sessionId)) await this.open();
        return;
      } catch (error) {
        if (!(error instanceof Unreachable)) return;
        await this.#wait(error, failures, new AbortController().signal);
      }
    }
  }

  /** Whether a call got through; one that did not may mean that the server is gone. */
  async #dare(call) {
    try {
      await call();
      return true;
    } catch (error) {
      if (error instanceof Unreachable) this.#connection.lose();
      else if (!(error instanceof ServerError)) throw error;
      return false;
    }
  }

  #isStopping(sessionId) {
    return this.#session.get() === sessionId && Boolean(findTurn(this.state)?.isStopping);
  }

  #giveUp() {
    const { pending } = this.state;
    this.#startSending();
    if (!pending || pending.error || pending.eventId !== null) return;
    const error = pending.phase === "waiting" ? UNANSWERED : CONNECTION_ERROR;
    this.#apply({ type: "givenUp", error });
  }

  #forget(sessionId) {
    if (this.#session.get() !== sessionId) return;
    this.#feed.leave();
    this.#session.set(null);
    this.#apply({ type: "lost" });
  }

  #attend() {
    const sessionId = this.#session.get();
    const isWanted = this.#isVisible || findTurn(this.state) !== null;
    if (sessionId && isWanted && !this.isOpening) this.#feed.join(sessionId);
    else this.#feed.leave();
  }

  #apply(action) {
    this.state = reduce(this.state, action);
    this.#tell();
  }

  #tell() {
    this.#attend();
    this.dispatchEvent(new Event("change"));
  }
}
