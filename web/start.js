/**
 * Loads the page's script as soon as the page is painted; on a slow telephone it would hold the
 * first paint up. It is a classic script, put into the page, and knows nothing else.
 *
 * The rule that must not break: a page that nobody looks at yet, which is never painted, starts
 * all the same.
 */
{
  const start = () => import("/web/chat.linked.js");
  if (document.hidden) start();
  else requestAnimationFrame(() => setTimeout(start));
}
