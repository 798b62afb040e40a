/**
 * Loads the page's modules as soon as the page is painted; on a slow telephone they would hold the
 * first paint up. It is a classic script, put into the page, and knows no more than the template.
 *
 * The rule that must not break: a page that nobody looks at yet, which is never painted, starts
 * all the same.
 */
{
  const start = () => {
    document.head.append(document.getElementById("modules").content);
    import("/web/chat.js");
  };
  if (document.hidden) start();
  else requestAnimationFrame(() => setTimeout(start));
}
