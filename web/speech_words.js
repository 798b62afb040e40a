/**
 * The texts of reading aloud and dictation, loaded with them alone.
 *
 * It chooses none. The rule that must not break: the keys are the same in both languages.
 */
export const SPEECH_WORDS = Object.freeze({
  zh: {
    readAloud: "朗读",
    dictate: "语音输入",
    dictateFailed: "没有听到，请再试一次，或者直接打字。",
  },
  en: {
    readAloud: "Read aloud",
    dictate: "Speak your question",
    dictateFailed: "That was not heard. Please try again, or type.",
  },
});
