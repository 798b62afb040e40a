/**
 * Server-sent events out of text that arrives in pieces: {event, data, id} for each frame.
 *
 * It knows no event of ours. The rule that must not break: wherever the pieces are cut the frames
 * are the same, and a line without an end never fills the memory.
 */
const MAX_CHARS = 1_000_000;

/** The text grew past what any frame needs. */
export class OversizedFrame extends Error {}

export class FrameReader {
  #rest = "";
  #frame = startFrame();
  #chars = 0;

  /** The frames that `text` completes; the rest waits for the next text. */
  feed(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    const frames = lines.map((line) => this.#take(line)).filter((frame) => frame !== null);
    if (this.#chars + this.#rest.length > MAX_CHARS) throw new OversizedFrame("A frame has no end.");
    return frames;
  }

  /** The frame that an empty line ends, or null. */
  #take(raw) {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (line !== "") {
      this.#chars += line.length;
      this.#read(line);
      return null;
    }
    const { event, data, id } = this.#frame;
    this.#frame = startFrame();
    this.#chars = 0;
    return data.length ? { event, data: data.join("\n"), id } : null;
  }

  /** A line that begins with a colon is a comment: a ping. */
  #read(line) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#frame.data.push(value);
    else if (name === "event" || name === "id") this.#frame[name] = value;
  }
}

function startFrame() {
  return { event: "message", data: [], id: "" };
}
