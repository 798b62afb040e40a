/**
 * The conversations as the list knows them: which there are, in which order, what changed.
 *
 * It asks nobody and touches no page. The rules that must not break: whoever waits stands first,
 * the longest waiting on top, a row that is told again takes the place of itself, and no answer of
 * the server takes back what was told since it was asked for.
 */
const PLACES = Object.freeze({ waiting: 0, human: 1, bot: 2, closed: 3 });

export const STATES = Object.freeze(["waiting", "human", "bot", "closed"]);
export const RUNGS = Object.freeze(["rule", "faq", "tool", "knowledge", "model", "fallback", "human"]);
export const ANY = Object.freeze({ state: "", rung: "", language: "", isMine: false });

export class Rows {
  #rows = new Map();
  #news = new Map();
  #told = 0;

  /** How much was told so far, to be kept when the server is asked for a list. */
  get told() {
    return this.#told;
  }

  /** The server's list, asked for when `told` was told; those that it does not name are gone. */
  replace(rows, told = this.#told) {
    const newer = [...this.#rows.values()].filter(({ id }) => this.#isNewer(id, told));
    const named = rows.filter(({ id }) => !this.#isNewer(id, told));
    this.#rows = new Map([...named, ...newer].map((row) => [row.id, row]));
  }

  /** Further ones below. */
  add(rows, told = this.#told) {
    for (const row of rows) {
      if (!this.#rows.has(row.id) && !this.#isNewer(row.id, told)) this.#rows.set(row.id, row);
    }
  }

  /** Takes a row in; whether it began to wait with that. */
  put(row) {
    const before = this.#rows.get(row.id);
    this.#rows.set(row.id, row);
    this.#note(row.id);
    return row.state === "waiting" && before?.state !== "waiting";
  }

  remove(id) {
    this.#rows.delete(id);
    this.#note(id);
  }

  get(id) {
    return this.#rows.get(id) ?? null;
  }

  count(state) {
    return [...this.#rows.values()].filter((row) => row.state === state).length;
  }

  /** Those that `filter` lets through, in their order; `account` is who looks. */
  list(filter, account) {
    return [...this.#rows.values()].filter((row) => isWanted(row, filter, account)).sort(compare);
  }

  #note(id) {
    this.#told += 1;
    this.#news.set(id, this.#told);
  }

  #isNewer(id, told) {
    return (this.#news.get(id) ?? 0) > told;
  }
}

export function isWanted(row, { state, rung, language, isMine }, account) {
  return (!state || row.state === state) && (!rung || row.rung === rung)
    && (!language || row.language === language) && (!isMine || row.assigned_to === account);
}

export function compare(one, other) {
  const apart = place(one) - place(other);
  if (apart) return apart;
  return one.state === "waiting"
    ? one.since_ms - other.since_ms : (other.last_at_ms ?? 0) - (one.last_at_ms ?? 0);
}

/** The class of a row's state; one of tomorrow has none. */
export function nameState({ state }) {
  return STATES.includes(state) ? `state-${state}` : "";
}

function place({ state }) {
  return Object.hasOwn(PLACES, state) ? PLACES[state] : PLACES.closed;
}
