/**
 * The simplest client of `/chat` that people write: cut at blank lines, parse what follows `data:`.
 *
 * It is a program of its own that tests run against a server: its address and a question come in,
 * one JSON line of what was read goes out. The rule that must not break: it knows nothing but that.
 */
const [address, message] = process.argv.slice(2);
const answer = await fetch(`${address}/chat`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ message }),
});
const decoder = new TextDecoder();
const tokens = [];
let [rest, last, faults] = ["", null, 0];
for await (const bytes of answer.body) {
  rest += decoder.decode(bytes, { stream: true });
  const frames = rest.split("\n\n");
  rest = frames.pop();
  for (const frame of frames) {
    if (!frame.startsWith("data:")) continue;
    try {
      const told = JSON.parse(frame.slice("data:".length));
      if (told.done) last = told;
      else tokens.push(told.token);
    } catch {
      faults += 1;
    }
  }
}
process.stdout.write(`${JSON.stringify({ text: tokens.join(""), count: tokens.length, last, rest, faults })}\n`);
