/**
 * Reading aloud and dictation by the browser's own functions, where they work without a net.
 *
 * It touches no page. The rule that must not break: no word leaves this device, so a voice or an
 * ear that is not the device's own counts as none.
 */
const TAGS = { zh: "zh-CN", en: "en-US" };
/** Which voices speak a language, the likeliest first; cmn is Mandarin. */
const VOICES = { zh: ["zh-cn", "cmn", "zh"], en: ["en-us", "en"] };
const HAN = /\p{Script=Han}/u;
/** Some voices fall silent in the middle of a long text, so it is cut: at the end of a sentence, else
 * where one breathes, else anywhere. */
const PIECE = /[^。！？!?\n]{0,159}(?:[。！？!?\n]+|$|[\s，,；;、.])|[^。！？!?\n]{1,160}/gu;
const NOTHING_WRONG = ["aborted", "no-speech"];

/** Fires `change` when reading, listening or the voices change; `heard` with the text so far;
 * `failed` where listening was not possible. */
export class Speech extends EventTarget {
  #synthesis;
  #Utterance;
  #Recognition;
  #ear = null;
  #utterances = [];
  #isSafe;
  /** What is read, as it was named; null while nothing is. */
  reading = null;

  /** `browser` has the functions. */
  constructor({ isAloud, isDictated }, browser = globalThis) {
    super();
    this.#synthesis = isAloud ? browser.speechSynthesis : undefined;
    this.#Utterance = browser.SpeechSynthesisUtterance;
    this.#isSafe = browser.isSecureContext;
    this.#Recognition = isDictated ? browser.SpeechRecognition : undefined;
    this.#synthesis?.addEventListener?.("voiceschanged", () => this.#tell());
  }

  get isListening() {
    return this.#ear !== null;
  }

  canRead(text) {
    return this.#findVoice(text) !== null;
  }

  /** Reads `text`; `name` says what that is. */
  read(name, text) {
    this.stopReading();
    const voice = this.#findVoice(text);
    const pieces = text.match(PIECE)?.filter((piece) => piece.trim()) ?? [];
    if (!voice || !pieces.length) return;
    const utterances = pieces.map((piece) => this.#say(piece, voice));
    const end = () => this.#utterances === utterances && this.stopReading();
    utterances.at(-1).addEventListener("end", end);
    for (const utterance of utterances) utterance.addEventListener("error", end);
    [this.reading, this.#utterances] = [name, utterances];
    for (const utterance of utterances) this.#synthesis.speak(utterance);
    this.#tell();
  }

  stopReading() {
    if (this.reading === null) return;
    [this.reading, this.#utterances] = [null, []];
    this.#synthesis.cancel();
    this.#tell();
  }

  /** Whether what is said in `language` is understood on this device. */
  async canListen(language) {
    if (!this.#isSafe) return false;
    try {
      const wish = { langs: [TAGS[language]], processLocally: true };
      return (await this.#Recognition.available(wish)) === "available";
    } catch {
      return false;
    }
  }

  /** Listens until a pause; what was heard so far comes as `heard`. */
  listen(language) {
    this.stopReading();
    this.stopListening();
    const ear = new this.#Recognition();
    Object.assign(ear, { lang: TAGS[language], processLocally: true, interimResults: true });
    ear.addEventListener("result", ({ results }) => {
      if (ear === this.#ear) this.#tell("heard", Array.from(results, ([best]) => best.transcript).join(""));
    });
    ear.addEventListener("error", ({ error }) => {
      if (ear === this.#ear && !NOTHING_WRONG.includes(error)) this.#tell("failed");
    });
    ear.addEventListener("end", () => ear === this.#ear && this.#forgetEar());
    this.#ear = ear;
    ear.start();
    this.#tell();
  }

  stopListening() {
    this.#ear?.abort();
    if (this.#ear) this.#forgetEar();
  }

  stop() {
    this.stopReading();
    this.stopListening();
  }

  #forgetEar() {
    this.#ear = null;
    this.#tell();
  }

  #say(piece, voice) {
    return Object.assign(new this.#Utterance(piece), { voice, lang: voice.lang });
  }

  #findVoice(text) {
    const own = (this.#synthesis?.getVoices() ?? []).filter((voice) => voice.localService);
    for (const tag of VOICES[HAN.test(text) ? "zh" : "en"]) {
      const voice = own.find(({ lang }) => lang.replace("_", "-").toLowerCase().startsWith(tag));
      if (voice) return voice;
    }
    return null;
  }

  #tell(type = "change", detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
