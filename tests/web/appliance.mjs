/**
 * An appliance for tests, in memory: sessions, numbered events, streams that can be cut.
 *
 * It answers nothing by itself; a test says what happens. The rule that must not break: it keeps
 * the server's promises (replay after a number, one question for each client id, 409, 404).
 */
import { ServerError, Unreachable } from "../../web/server.js";

export const CONTACT = "电话 400-555-0123";

export class FakeAppliance {
  calls = [];
  isDown = false;
  /** How many answers to `ask` get lost on their way back. */
  lostAnswers = 0;
  /** Errors that the next calls of `ask` end in. */
  refusals = [];
  #sessions = new Map();
  #watchers = new Set();

  openSession = async () => {
    this.#reach("openSession");
    const id = `s${this.#sessions.size + 1}`;
    this.#sessions.set(id, { events: [], asked: new Map(), running: null });
    return id;
  };

  ask = async (id, text, clientId) => {
    this.#reach("ask");
    const session = this.#find(id);
    const eventId = session.asked.get(clientId) ?? this.#accept(id, session, text, clientId);
    if (this.lostAnswers-- > 0) throw new Unreachable("The answer was lost.");
    return { eventId };
  };

  readHistory = async (id) => {
    this.#reach("readHistory");
    const { events, running } = this.#find(id);
    const messages = events.filter(({ type }) => type === "message")
      .map(({ data: { run_id, role, text } }) => ({ run_id, role, text }));
    const said = events.filter(({ type, data }) => type === "token" && data.run_id === running);
    const text = said.map(({ data }) => data.text).join("");
    return {
      messages,
      running: running && { run_id: running, text, queued: null },
      event_id: events.length,
      handoff: events.filter(({ type }) => type === "handoff").at(-1)?.data.state ?? "bot",
    };
  };

  callPerson = async (id, isWanted) => {
    this.#reach("callPerson");
    this.#find(id);
    if (this.refusals.length) throw this.refusals.shift();
    const state = isWanted ? "waiting" : "bot";
    this.tell(id, "handoff", { run_id: "", state });
    return { handoff: state, message: isWanted ? CONTACT : "" };
  };

  openEvents = async (id, after, signal) => {
    this.#reach("openEvents");
    const { events } = this.#find(id);
    return new ReadableStream({
      start: (controller) => {
        const watcher = { id, controller };
        this.#watchers.add(watcher);
        if (after > events.length) controller.enqueue(encode(rewindTo(events.length)));
        for (const event of events.slice(after)) controller.enqueue(encode(event));
        signal.addEventListener("abort", () => {
          this.#watchers.delete(watcher);
          controller.error(new Error("aborted"));
        });
      },
    });
  };

  stop = async (id) => {
    this.#reach("stop");
    return this.#find(id).running !== null;
  };

  checkHealth = async () => {
    if (this.isDown) throw new Unreachable("down");
  };

  get watchers() {
    return this.#watchers.size;
  }

  count(name) {
    return this.calls.filter((call) => call === name).length;
  }

  /** Stores an event of the running turn, or of `data.run_id`, and sends it to who watches. */
  tell(id, type, data = {}) {
    const session = this.#sessions.get(id);
    const event = { number: session.events.length + 1, type, data: { run_id: session.running, ...data } };
    session.events.push(event);
    if (type === "done" || type === "error") session.running = null;
    this.#send(id, event);
    return event.number;
  }

  /** The turn ends, but neither the store nor any page learns of it. */
  end(id) {
    this.#sessions.get(id).running = null;
  }

  finish(id) {
    this.tell(id, "done", { finish_reason: "stop", timings: { total_ms: 10 } });
  }

  sayBye(retryMs) {
    for (const { id } of this.#watchers) this.#send(id, { type: "bye", data: { retry_ms: retryMs } });
  }

  cut() {
    for (const { controller } of this.#watchers) controller.error(new Error("cut"));
    this.#watchers.clear();
  }

  /** The session is again as it was at event `number`, as from a backup. */
  restore(id, number) {
    this.#sessions.get(id).events.splice(number);
    this.cut();
  }

  forget(id) {
    this.#sessions.delete(id);
    this.cut();
  }

  #accept(id, session, text, clientId) {
    if (this.refusals.length) throw this.refusals.shift();
    if (session.running) throw new ServerError(409, { code: "turn_running", message: "" }, 0);
    session.running = `r${session.events.length + 1}`;
    const number = this.tell(id, "message", { role: "customer", text });
    session.asked.set(clientId, number);
    return number;
  }

  #send(id, event) {
    for (const watcher of this.#watchers) {
      if (watcher.id === id) watcher.controller.enqueue(encode(event));
    }
  }

  #reach(name) {
    this.calls.push(name);
    if (this.isDown) throw new Unreachable("down");
  }

  #find(id) {
    const session = this.#sessions.get(id);
    if (!session) throw new ServerError(404, { code: "session_not_found", message: "" }, 0);
    return session;
  }
}

function rewindTo(number) {
  return { type: "rewind", data: { run_id: "", after: number, chars: 0 } };
}

function encode({ number, type, data }) {
  const id = number ? `id: ${number}\n` : "";
  return new TextEncoder().encode(`${id}event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
}
