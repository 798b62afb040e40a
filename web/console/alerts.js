/**
 * How an operator who looks elsewhere learns of a new wish: a sound, a number in the tab's title,
 * the browser's own notification.
 *
 * It knows no customer and shows no word of one: a notification may stand on a locked screen. The
 * rule that must not break: it is silent until the operator has wished for sound or notices.
 */
import { Kept } from "../storage.js";
import { build } from "../elements.js";
import { CONSOLE_ICONS } from "./icons.js";
import { press } from "./parts.js";

const ON = "on";
/** Two short tones, as [start in seconds, hertz]. */
const TONES = Object.freeze([[0, 740], [0.16, 988]]);
const TONE_S = 0.28;
const LOUDNESS = 0.16;

export class Alerts {
  #words;
  #sound = new Kept("console.sound");
  #notices = new Kept("console.notices");
  #audio = null;
  #waiting = 0;

  constructor(words) {
    this.#words = words;
  }

  close() {
    this.showWaiting(0);
    this.#audio?.close();
    this.#audio = null;
  }

  /** The switches, of which the second is only there where the browser has notifications. */
  buildButtons() {
    const group = build("div", { class: "switches", role: "group", "aria-label": this.#words.say("alerts") });
    group.append(this.#buildSwitch("alertSound", this.#sound, async () => {
      this.#ring();
      return true;
    }));
    if ("Notification" in globalThis) {
      group.append(this.#buildSwitch("alertNotices", this.#notices, async () =>
        (await Notification.requestPermission()) === "granted"));
    }
    return group;
  }

  /** The number that the title shows while somebody waits. */
  showWaiting(count) {
    this.#waiting = count;
    const title = this.#words.say("consoleTitle");
    document.title = count ? `(${count}) ${title}` : title;
  }

  /** Somebody new wishes for a person; `onOpen` is what a press on the notification does. */
  call(onOpen) {
    if (this.#sound.get() === ON) this.#ring();
    if (this.#notices.get() !== ON || globalThis.Notification?.permission !== "granted") return;
    if (document.visibilityState === "visible" && document.hasFocus()) return;
    this.#notify(onOpen);
  }

  #notify(onOpen) {
    let notice;
    try {
      notice = new Notification(this.#words.say("newWish"), {
        body: this.#words.say("waitingNow", { count: this.#waiting }), tag: "appliance-waiting",
      });
    } catch {
      // Phones' browsers know the name and refuse the call; sound and title are left.
      return;
    }
    notice.addEventListener("click", () => {
      focus();
      notice.close();
      onOpen();
    });
  }

  #buildSwitch(key, kept, allow) {
    const button = press(this.#words.say(key), async () => {
      const isOn = kept.get() !== ON && (await allow());
      kept.set(isOn ? ON : null);
      button.setAttribute("aria-pressed", String(isOn));
    }, { kind: "tool switch", icon: CONSOLE_ICONS[key], "aria-pressed": String(kept.get() === ON) });
    return button;
  }

  /** A browser lets no page sound before it was pressed once: then it stays silent. */
  #ring() {
    if (!("AudioContext" in globalThis)) return;
    this.#audio ??= new AudioContext();
    if (this.#audio.state === "suspended") this.#audio.resume().catch(() => {});
    for (const [start, hertz] of TONES) this.#sounds(this.#audio.currentTime + start, hertz);
  }

  #sounds(at, hertz) {
    const [tone, volume] = [this.#audio.createOscillator(), this.#audio.createGain()];
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(LOUDNESS, at);
    volume.gain.exponentialRampToValueAtTime(0.001, at + TONE_S);
    tone.connect(volume).connect(this.#audio.destination);
    tone.start(at);
    tone.stop(at + TONE_S);
  }
}
