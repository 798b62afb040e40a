/**
 * The form before everything: name and password, or the first owner with the terminal's code.
 *
 * It keeps nothing that was typed. The rule that must not break: a password leaves in the one call
 * that needs it and is out of the page afterwards.
 */
import { build } from "../elements.js";
import { describeRefusal, field, press } from "./parts.js";

const MIN_PASSWORD_CHARS = 10;
const NOTES = ["signedOut"];

/** Fires `in` when somebody has signed in, and `language`. */
export class SignIn extends EventTarget {
  #root;
  #server;
  #words;
  #isFirst = false;
  #said;

  /** `said` is why the form is shown: a note's key, a refusal's code, or "". */
  constructor(root, server, words, said) {
    super();
    [this.#root, this.#server, this.#words] = [root, server, words];
    this.#show();
    if (NOTES.includes(said)) this.#say(words.say(said));
    else if (said) this.#say(describeRefusal(words, { code: said, message: said }));
  }

  close() {
    this.#root.replaceChildren();
  }

  #show() {
    const words = this.#words;
    this.#said = build("p", { class: "said", role: "alert" });
    const form = build("form", { class: "sign-in-form" },
      ...this.#buildFields(),
      this.#said,
      build("button", { class: "act main-act", type: "submit" },
        words.say(this.#isFirst ? "setUp" : "signIn")));
    form.addEventListener("submit", (event) => this.#submit(event, form));
    this.#root.replaceChildren(build("main", { class: "sign-in", id: "main" },
      build("h1", {}, words.say("consoleTitle")),
      build("p", { class: "soft" }, words.say(this.#isFirst ? "setUpText" : "signInText")),
      form,
      build("div", { class: "sign-in-more" },
        press(words.say(this.#isFirst ? "backToSignIn" : "firstTime"), () => this.#swap(), { kind: "plain" }),
        press(words.say("language"), () => this.dispatchEvent(new Event("language")), {
          kind: "plain", "aria-label": words.say("languageLabel"), lang: words.say("languageLabelCode"),
        }))));
    form.elements[0].focus();
  }

  #buildFields() {
    const words = this.#words;
    const password = build("input", {
      id: "password", type: "password", required: true, maxlength: "200",
      minlength: this.#isFirst ? String(MIN_PASSWORD_CHARS) : null,
      autocomplete: this.#isFirst ? "new-password" : "current-password",
    });
    const name = build("input", {
      id: "account-name", required: true, maxlength: "64", autocomplete: "username",
      autocapitalize: "none", spellcheck: "false",
    });
    const fields = [field(words.say("accountName"), name), field(words.say("password"), password)];
    if (!this.#isFirst) return fields;
    const code = build("input", {
      id: "code", required: true, autocomplete: "one-time-code", autocapitalize: "characters",
      placeholder: "XXXX-XXXX-XXXX", spellcheck: "false",
    });
    return [field(words.say("setUpCode"), code), ...fields];
  }

  #swap() {
    this.#isFirst = !this.#isFirst;
    this.#show();
  }

  async #submit(event, form) {
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    if (button.disabled) return;
    button.disabled = true;
    const { code, "account-name": name, password } = form.elements;
    try {
      if (this.#isFirst) await this.#server.setUp(code.value, name.value, password.value);
      else await this.#server.signIn(name.value, password.value);
      password.value = "";
      this.dispatchEvent(new Event("in"));
    } catch (error) {
      if (!error.code) throw error;
      password.value = "";
      this.#say(this.#describe(error));
      password.focus();
    } finally {
      button.disabled = false;
    }
  }

  #describe(error) {
    const isCode = this.#isFirst && error.code === "login_refused";
    return isCode ? this.#words.say("refusedCode") : describeRefusal(this.#words, error);
  }

  #say(text) {
    this.#said.textContent = text;
  }
}
