/**
 * What the address of the kiosk's page may choose, made safe.
 *
 * It touches no page. The rule that must not break: whatever stands in the address, the kiosk works
 * and clears itself.
 */
const IDLE_S = { least: 15, most: 600, usual: 60 };
const COUNTDOWN_S = { least: 5, most: 60, usual: 20 };
const MAX_QUESTIONS = 8;
const MAX_CHARS = 120;

export function readAddress(search) {
  const given = new URLSearchParams(search);
  const questions = (given.get("questions") ?? "").split("|")
    .map((one) => one.trim().slice(0, MAX_CHARS)).filter(Boolean);
  const speech = (given.get("speech") ?? "").split("|");
  return {
    idleMs: 1000 * readNumber(given.get("idle"), IDLE_S),
    countdownMs: 1000 * readNumber(given.get("countdown"), COUNTDOWN_S),
    language: given.get("language") === "en" ? "en" : "zh",
    theme: ["light", "dark"].includes(given.get("theme")) ? given.get("theme") : "auto",
    isAloud: speech.includes("aloud"),
    isDictated: speech.includes("dictation"),
    questions: questions.length ? questions.slice(0, MAX_QUESTIONS) : null,
  };
}

function readNumber(text, { least, most, usual }) {
  const number = Number(text || NaN);
  return Number.isFinite(number) ? Math.min(Math.max(number, least), most) : usual;
}
