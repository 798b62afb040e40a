import assert from "node:assert/strict";
import { test } from "node:test";

import { MarkdownText, isSafeLink } from "../../web/markdown.js";
import { Element, lay } from "./paper.mjs";

lay();

const ANSWER = `## 退货 order_id 2*3*4

先看**包装**，再看_标签_和\`a_b\`；见[说明](https://shop.example/a_b)或[坏](javascript:x)。

- 一 $5
- 二 ~~旧~~

| 尺码 | 价 |
|---|---|
| 大 | 😀 |

\`\`\`python
x = "a_b" * 2
\`\`\`

1. 完 https://shop.example/x <b>x</b>`;

function draw(...texts) {
  const root = new Element("div");
  const markdown = new MarkdownText(root);
  for (const text of texts) markdown.show(text);
  markdown.end();
  return root.drawn;
}

test("an answer that grows looks like the whole, wherever it was cut", () => {
  const whole = draw(ANSWER);
  for (const part of ["<h4>退货 order_id 2*3*4</>", "<strong>包装</>", "href=https://shop.example/a_b",
    "<th> 尺码 </>", "<td> 😀 </>", '<code>x = "a_b" * 2', "<s>旧</>", "<b>x</b>"]) {
    assert.ok(whole.includes(part), part);
  }
  assert.ok(!whole.includes("href=javascript"));
  for (let cut = 0; cut <= ANSWER.length; cut += 1) {
    assert.equal(draw(ANSWER.slice(0, cut), ANSWER), whole, `cut at ${cut}`);
  }
  const steps = [...ANSWER].map((_, index) => [...ANSWER].slice(0, index + 1).join(""));
  assert.equal(draw(...steps), whole);
});

/** However it is cut, `text` is drawn as one paragraph with `inside`. */
function drawsParagraph(text, inside) {
  for (let cut = 0; cut <= text.length; cut += 1) {
    assert.equal(draw(text.slice(0, cut), text), `<div><p>${inside}</></>`, `${text}, cut at ${cut}`);
  }
}

test("a masked number, name or address keeps its stars", () => {
  for (const text of [
    "您的手机号 138****5678 已登记。", "单号 SF1234****8901", "****5678 是尾号", "密码 Shop*2024*ok",
    "收货人：王*明，电话 138****5678，地址：上海市***路**号", "邮箱 a***@shop.cn，z**@shop.cn",
    "姓名：____，电话：___", "尾号****56", "张**", "满~~100", "*未完", "a__b",
  ]) {
    drawsParagraph(text, text);
  }
  assert.equal(draw("号 138****5678 是**准**的"), "<div><p>号 138****5678 是<strong>准</>的</></>");
  assert.equal(draw("路**号\n\n**对**"), "<div><p>路**号</><p><strong>对</></></>");
  assert.equal(draw("`12****34` `***`\n\n```\n****x\n```"),
    "<div><p><code>12****34</> <code>***</></><pre><code>****x</></></>");
});

test("emphasis, rules and lists go on working", () => {
  drawsParagraph("**bold** 和 *em*", "<strong>bold</> 和 <em>em</>");
  drawsParagraph("**价格**：5元", "<strong>价格</>：5元");
  drawsParagraph("这是**“重要”**的", "这是<strong>“重要”</>的");
  drawsParagraph("***都要***，好", "<strong><em>都要</></>，好");
  assert.equal(draw("* 一\n* **二**"), "<div><ul><li>一</><li><strong>二</></></></>");
  assert.equal(draw("一\n\n****\n\n二"), "<div><p>一</><hr></><p>二</></>");
});

test("a bare address ends where the sentence goes on", () => {
  const link = (address) => `<a href=${address} target=_blank rel=noopener noreferrer>${address}</>`;
  const shop = "https://shop.example";
  for (const [before, address, behind] of [
    ["请打开 ", `${shop}/returns`, "，填写退货单；"],
    ["官网 ", shop, "。电话 010-1234"],
    ["Open ", `${shop}/returns`, ". Then"],
    ["(see ", `${shop}/a_b?c=1&d=2*3#e`, "), or"],
    ["见 ", `${shop}/wiki/A_(b)`, "), or"],
    ["见 ", `${shop}/a`, "’s <b>x</b>"],
    ["见 ", `${shop}/a`, "!?"],
    ["见 ", `${shop}/a/`, ""],
    ["见 ", `${shop}/a%20b`, "\n再"],
  ]) {
    drawsParagraph(before + address + behind, before + link(address) + behind.replace("\n", "<br></>"));
  }
  drawsParagraph(`见 ${shop}/a，再**看**`, `见 ${link(`${shop}/a`)}，再<strong>看</>`);
  drawsParagraph("见 https://，再", "见 <a>https://</>，再");
});

test("brackets without an address stay", () => {
  for (const text of [
    "价格[含税] 100 元", "[1] 引用 [2]", "[1]引用[2]。", "[订单 12****34]", "![图] 好", "[未完", "[a](未完", "[]",
    "[[1]]", "[1](",
  ]) {
    drawsParagraph(text, text);
  }
  drawsParagraph("[**重**要] 好", "[<strong>重</>要] 好");
  drawsParagraph("**[1** 好", "**[1** 好");
  assert.equal(draw("[未完\n\n* [一]\n* 二"), "<div><p>[未完</><ul><li>[一]</><li>二</></></>");
  assert.equal(draw("[未完\n## 题"), "<div><p>[未完</><h4>题</></>");
  assert.equal(draw("[坏](javascript:x)[1]"), "<div><p><a>坏</>[1]</></>");
});

test("an answer that becomes another is drawn anew", () => {
  assert.equal(draw("**一**二三", "**一**四"), draw("**一**四"));
});

test("what was shown so far stands on the page before the answer is whole", () => {
  const root = new Element("div");
  new MarkdownText(root).show("先说一句，再");
  assert.ok(root.drawn.includes("先说一句，"));
});

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
