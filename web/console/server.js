/**
 * The calls of the console: JSON in, JSON out, with the token that every change needs.
 *
 * It keeps who is signed in and no word of a conversation. The rule that must not break: every
 * call ends in its value or in a Refused with the server's code, and one that tells that the
 * session has ended is told once, as `out`.
 */
import { Stream } from "./stream.js";

const CALL_MS = 20_000;

/** The server said no, or (with the code "unreached") nothing. */
export class Refused extends Error {
  constructor(code, message, { status = 0, retryAfterS = 0, detail = {} } = {}) {
    super(message);
    Object.assign(this, { code, status, retryAfterS, detail });
  }
}

/** Fires `out` when the session has ended, `lost` and `back` with the streams' connection. */
export class ConsoleServer extends EventTarget {
  #csrf = "";
  #streams = new Set();
  account = "";
  role = "";

  /** Goes on with the session of the browser's cookie. Throws Refused. */
  async resume() {
    this.#take(await this.#call("GET", "/console/me"));
  }

  async signIn(name, password) {
    this.#take(await this.#call("POST", "/console/login", { name, password }));
  }

  /** Makes the first owner, with the code of the terminal. */
  async setUp(code, name, password) {
    this.#take(await this.#call("POST", "/console/setup", { code, name, password }));
  }

  /** Throws Refused where the session may still live: it is left when the server has ended it. */
  async signOut() {
    await this.post("/console/logout").catch((error) => {
      if (error.status !== 401) throw error;
    });
    this.#leave();
  }

  get mayChange() {
    return this.role !== "viewer";
  }

  get(path) {
    return this.#ask("GET", path);
  }

  /** `signal` is for a call that may take longer than others. */
  post(path, body = {}, signal = undefined) {
    return this.#ask("POST", path, body, signal);
  }

  put(path, body = {}) {
    return this.#ask("PUT", path, body);
  }

  delete(path) {
    return this.#ask("DELETE", path);
  }

  /**
   * Follows the events of `path`, which may be a function where it changes; each as {type, number,
   * data}. It comes back by itself and then gives {type: "joined"}, or {type: "gone"} where there is
   * nothing to come back to; `close()` ends it.
   */
  stream(path, onEvent) {
    const stream = new Stream(path, onEvent, {
      lost: () => this.#tell("lost"),
      back: () => this.#tell("back"),
      out: () => this.#leave(),
    });
    this.#streams.add(stream);
    return { close: () => this.#streams.delete(stream) && stream.close() };
  }

  async #ask(method, path, body, signal) {
    try {
      return await this.#call(method, path, body, signal);
    } catch (error) {
      if (error.status === 401) this.#leave();
      throw error;
    }
  }

  async #call(method, path, body, signal = AbortSignal.timeout(CALL_MS)) {
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    if (method !== "GET") headers["X-CSRF-Token"] = this.#csrf;
    const said = { method, headers, cache: "no-store", signal };
    if (body !== undefined) said.body = JSON.stringify(body);
    const answer = await fetch(path, said).catch((error) => {
      throw new Refused("unreached", `${path} was not reached: ${error}`);
    });
    const value = await answer.json().catch(() => ({}));
    if (answer.ok) return value;
    const { code = "unreached", message = `${path}: ${answer.status}`, detail = {} } = value.error ?? {};
    const retryAfterS = Number(answer.headers.get("Retry-After")) || 0;
    throw new Refused(code, message, { status: answer.status, retryAfterS, detail });
  }

  #take({ account, role, csrf }) {
    Object.assign(this, { account, role });
    this.#csrf = csrf;
  }

  #leave() {
    if (!this.account) return;
    this.#take({ account: "", role: "", csrf: "" });
    for (const stream of this.#streams) stream.close();
    this.#streams.clear();
    this.#tell("out");
  }

  #tell(type) {
    this.dispatchEvent(new Event(type));
  }
}
