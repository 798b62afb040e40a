/**
 * The widget's loader: a bubble on somebody else's page, and the appliance's own page behind it.
 *
 * It shows no text of a conversation and asks nothing of the appliance before it is opened. The
 * rules that must not break: whatever the appliance does, the page around it goes on without an
 * error, and messages are taken from the appliance's own frame and sent to it alone.
 */
(() => {
  const script = document.currentScript ?? document.querySelector('script[src$="/widget.js"]');
  if (!script || window.appliance?.identify) return;
  const box = new URL(script.src).origin;
  const given = { ...window.applianceSettings, ...script.dataset };
  const color = /^#([\da-f]{3}){1,2}$/i.test(given.color) ? given.color : "#1d5c47";
  const ink = chooseInk(color);
  const isHidden = "hidden" in given && String(given.hidden) !== "false";
  const side = given.position === "left" ? "left" : "right";
  const spoken = given.language || document.documentElement.lang || navigator.language;
  const isChinese = /^zh/i.test(spoken);
  const words = isChinese
    ? ["客服", "打开客服", "关闭", "现在连不上客服，请稍后再试。"]
    : ["Customer service", "Open customer service", "Close",
      "Customer service cannot be reached now. Please try again later."];
  const title = String(given.title || words[0]);
  const settings = {
    title, color, ink, language: isChinese ? "zh" : "en",
    greeting: given.greeting && String(given.greeting),
    suggestions: [given.suggestions ?? []].flat().flatMap((one) => String(one).split("|")),
    session: String(given.session), theme: String(given.theme), key: given.key,
  };

  const host = document.createElement("appliance-widget");
  const root = host.attachShadow({ mode: "closed" });
  const bubble = make("button", { type: "button", class: "bubble", "aria-expanded": "false" });
  const panel = make("div", { class: "panel", role: "dialog", "aria-label": title, hidden: "" });
  const sorry = make("p", { role: "status" });
  const leave = make("button", { type: "button", class: "leave" });
  let [frame, isReady, waiting, timer, before] = [null, false, [], 0, null];

  const api = Object.freeze({
    open,
    close,
    ask(text) {
      open();
      tell("ask", String(text));
    },
    reset: () => tell("reset"),
    identify: (who) => tell("identify", who && {
      id: String(who.id ?? ""), name: String(who.name ?? ""), token: String(who.token ?? ""),
    }),
  });

  function make(tag, attributes) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  /** Black or white, whichever is easier to read on `hex`. */
  function chooseInk(hex) {
    const full = hex.length < 5 ? hex.replace(/[^#]/g, "$&$&") : hex;
    const [red, green, blue] = [1, 3, 5].map((at) => (parseInt(full.substr(at, 2), 16) / 255) ** 2.2);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? "#000" : "#fff";
  }

  /** What is said before the frame is there waits for it; of all but questions the last counts. */
  function tell(type, detail) {
    const message = { appliance: type, detail };
    if (isReady) frame.contentWindow.postMessage(message, box);
    else waiting = [...waiting.filter((one) => type === "ask" || one.appliance !== type), message];
  }

  function report(name, detail) {
    window.dispatchEvent(new CustomEvent(`appliance:${name}`, { detail }));
  }

  function load() {
    sorry.textContent = "…";
    frame = make("iframe", { title, allow: "clipboard-write" });
    const query = location.origin === box ? "" : `?origin=${encodeURIComponent(location.origin)}`;
    frame.src = `${box}/widget${query}`;
    frame.addEventListener("load", () => expect(1500));
    expect(20_000);
    panel.prepend(frame);
  }

  /** A page that says nothing is not the appliance's. */
  function expect(ms) {
    clearTimeout(timer);
    if (!isReady) timer = setTimeout(fail, ms);
  }

  function fail() {
    frame.remove();
    frame = null;
    waiting = waiting.filter(({ appliance }) => appliance === "identify");
    sorry.textContent = words[3];
    if (!panel.hidden) leave.focus();
    report("failed", { code: "unreachable" });
  }

  function open() {
    if (!panel.hidden) return;
    if (!frame) load();
    before = document.activeElement;
    panel.hidden = false;
    bubble.setAttribute("aria-expanded", "true");
    (isReady ? frame : leave).focus();
    tell("open");
    report("open");
  }

  function close() {
    if (panel.hidden) return;
    panel.hidden = true;
    bubble.setAttribute("aria-expanded", "false");
    (isHidden ? before : bubble)?.focus();
    tell("close");
    report("close");
  }

  function hear({ origin, source, data }) {
    if (origin !== box || !frame || source !== frame.contentWindow) return;
    clearTimeout(timer);
    if (data.appliance === "ready") {
      isReady = true;
      frame.className = "ready";
      if (!panel.hidden) frame.focus();
      tell("settings", settings);
      for (const one of waiting.splice(0)) tell(one.appliance, one.detail);
    } else if (data.appliance === "close") close();
    else if (data.appliance === "event") report(data.name, data.detail);
  }

  function show() {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE.replaceAll("SIDE", side).replaceAll("COLOR", color).replaceAll("INK", ink));
    root.adoptedStyleSheets = [sheet];
    for (const [name, value] of [["all", "initial"], ["display", "block"], ["position", "fixed"]]) {
      host.style.setProperty(name, value, "important");
    }
    host.role = "complementary";
    host.ariaLabel = title;
    bubble.hidden = isHidden;
    bubble.setAttribute("aria-label", title === words[0] ? words[1] : title);
    leave.textContent = words[2];
    panel.append(sorry, leave);
    root.append(panel, bubble);
    bubble.addEventListener("click", () => (panel.hidden ? open() : close()));
    leave.addEventListener("click", close);
    root.addEventListener("keydown", ({ key }) => key === "Escape" && close());
    window.addEventListener("message", hear);
    document.documentElement.append(host);
    // Above all of the page, and out of reach of what it does to its root.
    host.popover = "manual";
    host.showPopover?.();
  }

  const STYLE = `
    [hidden] { display: none !important }
    * { box-sizing: border-box }
    button { font: 600 16px/1.4 system-ui, sans-serif; cursor: pointer }
    :focus-visible { outline: 3px solid COLOR; outline-offset: 3px }
    .bubble, .panel { position: fixed; z-index: 2147483647; SIDE: 20px; box-shadow: 0 4px 24px #0004 }
    .bubble { bottom: 20px; width: 60px; height: 60px; padding: 0; border: 2px solid INK;
      border-radius: 50%; background: COLOR; color: INK }
    .bubble::before { content: ""; display: block; margin: 4px auto 0; width: 26px; height: 20px;
      border: 3px solid; border-radius: 8px 8px 8px 2px }
    .bubble[aria-expanded=true]::before { width: 16px; height: 16px; margin: -6px auto 0;
      border-width: 0 3px 3px 0; border-radius: 0; transform: rotate(45deg) }
    .panel { bottom: 96px; width: 400px; height: min(700px, 100vh - 116px); overflow: hidden;
      border-radius: 16px; background: Canvas; color: CanvasText; color-scheme: light dark }
    iframe { position: absolute; visibility: hidden; width: 100%; height: 100%; border: 0 }
    .ready { visibility: visible }
    p { margin: 0; padding: 24px; font: 17px/1.6 system-ui, sans-serif }
    .leave { min-width: 88px; min-height: 48px; margin: 0 24px; border: 2px solid; border-radius: 24px;
      background: none; color: inherit }
    @media (max-width: 640px), (max-height: 480px) {
      .panel { inset: 0; width: 100vw; height: 100vh; height: 100dvh; border-radius: 0 }
      .bubble[aria-expanded=true] { display: none } }`;

  window.appliance = api;
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", show);
  else show();
})();
