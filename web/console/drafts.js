/**
 * Hold mode: the answer that waits for the operator before any customer sees it.
 *
 * It decides nothing by itself and no time runs out here. The rule that must not break: what is
 * sent is what stands in front of the operator at the press, the draft as it is or as it was edited.
 */
import { build, setText } from "../elements.js";
import { attempt, press } from "./parts.js";

export class Drafts {
  #words;
  #call;
  #fail;
  #runId = "";
  #text = "";
  #field;
  #send;
  #kept = null;

  constructor(words, call, fail) {
    [this.#words, this.#call, this.#fail] = [words, call, fail];
    this.element = build("section", { class: "draft", "aria-label": words.say("draft"), hidden: true });
  }

  /** What the operator has made of a draft, or null. */
  get unsent() {
    if (!this.#runId) return this.#kept;
    return this.#isEdited ? { runId: this.#runId, text: this.#field.value } : null;
  }

  takeUnsent(unsent) {
    this.#kept = unsent;
  }

  /** `draft` is {run_id, text, is_whole}, or null where none waits. */
  show(draft) {
    if (!draft) {
      const hadFocus = this.element.contains(document.activeElement);
      if (hadFocus) this.element.closest(".thread").querySelector("h2").focus();
      this.element.hidden = true;
      // Before the first draft is told nobody knows whether the one that was edited waits.
      if (this.#runId) this.#kept = null;
      this.#runId = "";
      return;
    }
    const isNew = draft.run_id !== this.#runId;
    const wasEdited = !isNew && this.#isEdited;
    [this.#runId, this.#text] = [draft.run_id, draft.text];
    if (isNew) this.#build();
    // What the operator has changed is not overwritten by an answer that still grows.
    if (isNew && this.#kept?.runId === draft.run_id) this.#field.value = this.#kept.text;
    else if (!wasEdited && this.#field.value !== draft.text) this.#field.value = draft.text;
    this.#send.hidden = !draft.is_whole;
    this.#label();
    this.element.hidden = false;
  }

  #build() {
    const words = this.#words;
    this.#field = build("textarea", { id: "draft-text", rows: "4", dir: "auto" });
    const send = press(words.say("draftSend"), () => this.#decide(send), { kind: "act main-act" });
    const drop = press(words.say("draftDrop"), () =>
      attempt(drop, () => this.#call(this.#path, { action: "drop" }), this.#fail));
    this.#send = send;
    this.element.replaceChildren(
      build("label", { for: "draft-text" }, words.say("draftText")), this.#field,
      build("div", { class: "answering-acts" }, drop, send));
    this.#field.addEventListener("input", () => this.#label());
  }

  #label() {
    setText(this.#send.firstElementChild, this.#words.say(this.#isEdited ? "draftEdit" : "draftSend"));
  }

  get #path() {
    return `/drafts/${encodeURIComponent(this.#runId)}`;
  }

  get #isEdited() {
    return this.#field.value.trim() !== this.#text.trim();
  }

  #decide(button) {
    const text = this.#field.value.trim();
    const body = this.#isEdited ? { action: "edit", text } : { action: "send" };
    return attempt(button, () => this.#call(this.#path, body), this.#fail);
  }
}
