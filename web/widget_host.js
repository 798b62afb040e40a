/**
 * The line between the widget's frame and the page around it.
 *
 * It understands no message. The rule that must not break: what is sent goes to the one site that
 * the address names, and what comes from anybody else is not heard; the browser keeps other sites
 * from showing this page, because the appliance names that one in the frame's policy.
 */
export class Host {
  #origin = new URLSearchParams(location.search).get("origin") ?? location.origin;

  /** `hear` is called with the type and the detail of each message. */
  listen(hear) {
    addEventListener("message", ({ origin, source, data }) => {
      if (source !== parent || origin !== this.#origin) return;
      if (typeof data?.appliance === "string") hear(data.appliance, data.detail);
    });
  }

  ready() {
    this.#post({ appliance: "ready" });
  }

  close() {
    this.#post({ appliance: "close" });
  }

  /** What happened, never what was said. */
  report(name, detail) {
    this.#post({ appliance: "event", name, detail });
  }

  /** A page from a file has no address; it is on no list, so it only ever hears of its refusal. */
  #post(message) {
    const isNowhere = this.#origin === "null";
    if (parent === window || !(isNowhere || URL.canParse(this.#origin))) return;
    parent.postMessage(message, isNowhere ? "*" : this.#origin);
  }
}
