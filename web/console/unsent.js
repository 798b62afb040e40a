/**
 * What operators typed and did not send, kept while the page is open.
 *
 * It stores nothing and shows nothing. The rule that must not break: nobody gets what another typed,
 * so it is forgotten as soon as another account has signed in.
 */
export class Unsent {
  #account = "";
  #texts = new Map();

  /** Those of `account`, by the conversation's id. */
  of(account) {
    if (account !== this.#account) [this.#account, this.#texts] = [account, new Map()];
    return this.#texts;
  }
}
