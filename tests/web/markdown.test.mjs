import assert from "node:assert/strict";
import { test } from "node:test";

import { countChars } from "../../web/composer.js";
import { isSafeLink } from "../../web/markdown.js";

test("only links to the web, to mail and to a telephone are links", () => {
  const safe = ["https://a.cn/x?y#z", "http://10.0.0.2:8000", "mailto:a@b.cn", "tel:+8610"];
  for (const address of safe) assert.equal(isSafeLink(address), true, address);
});

test("whatever else an address may be, it is no link", () => {
  const unsafe = [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)",
    "java\nscript:alert(1)", "\u0001javascript:alert(1)", "data:text/html,<script>1</script>",
    "vbscript:x", "file:///etc/passwd", "blob:https://a/b", "ftp://a", "//evil.example", "/local",
    "relative", "#here", "", "javascript&colon;alert(1)", "view-source:https://a", "https:",
  ];
  for (const address of unsafe) assert.equal(isSafeLink(address), false, address);
});

test("characters are counted as the server counts them", () => {
  assert.equal(countChars("好😀a"), 3);
});
