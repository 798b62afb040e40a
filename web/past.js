/**
 * Which conversations this browser had: their ids and the names that their customer gave them.
 *
 * Nothing that was said is kept here; the server has it, and the list reads it from there. The
 * rule that must not break: what another tab wrote meanwhile is read before anything is written.
 */
const KEY = "appliance.past";
const MOST = 100;

export class Past {
  #place;
  #unkept = [];

  /** `place` gives the storage; where it throws, the list lives as long as the page. */
  constructor(place = () => localStorage) {
    this.#place = place;
  }

  /** Each as {id, name}, the newest first. */
  list() {
    try {
      return readEntries(this.#place().getItem(KEY));
    } catch {
      return this.#unkept;
    }
  }

  add(id) {
    const entries = this.list();
    if (!entries.some((entry) => entry.id === id)) this.#write([{ id, name: "" }, ...entries]);
  }

  rename(id, name) {
    this.#write(this.list().map((entry) => (entry.id === id ? { id, name } : entry)));
  }

  drop(id) {
    this.#write(this.list().filter((entry) => entry.id !== id));
  }

  #write(entries) {
    this.#unkept = entries.slice(0, MOST);
    try {
      this.#place().setItem(KEY, JSON.stringify(this.#unkept));
    } catch {
      // A browser that forbids storage loses the list with the page.
    }
  }
}

/** What somebody else wrote there is no list of ours. */
function readEntries(text) {
  const told = parse(text);
  const entries = Array.isArray(told) ? told : [];
  return entries.filter((entry) => typeof entry?.id === "string")
    .map(({ id, name }) => ({ id, name: typeof name === "string" ? name : "" }));
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
