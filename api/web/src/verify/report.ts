// The report as the service sends it, read as a page: its words for the list, its content for the element.

export interface Read {
  tone: string;
  word: string;
  sentence: string;
  /** The moment as of which it was judged: other forms of the same report are asked for with it. */
  at: string;
  content: DocumentFragment;
}

/** Null when this is no report. DOMParser runs no script; what could run one later is left out. */
export function read(page: string): Read | null {
  const main = new DOMParser().parseFromString(page, "text/html").querySelector<HTMLElement>("main.report");
  if (!main) return null;
  for (const one of main.querySelectorAll("script, iframe, object, embed, link, style")) one.remove();
  for (const one of main.querySelectorAll("*")) {
    for (const { name } of [...one.attributes]) if (name.startsWith("on")) one.removeAttribute(name);
  }
  const text = (selector: string) => main.querySelector(selector)?.textContent?.trim() ?? "";
  const content = document.createDocumentFragment();
  const found = { tone: main.dataset["tone"] ?? "plain", at: main.dataset["at"] ?? "", word: text(".word"), sentence: text(".sentence") };
  content.append(...main.childNodes);
  return { ...found, content };
}
