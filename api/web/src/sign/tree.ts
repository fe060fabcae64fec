// An XML document to be read: its elements within one another, nothing of it as markup.
import { html, nothing, type TemplateResult } from "lit";
import type { Outline } from "./service";

type Leaf = Outline["leaves"][number];

export function tree(leaves: readonly Leaf[], signature: string): TemplateResult {
  return html`<ul class="tree">${level(leaves, 0, leaves.length, signature)}</ul>`;
}

/** The elements from `start` to `end` that lie on the level of the first. */
function level(leaves: readonly Leaf[], start: number, end: number, signature: string): TemplateResult[] {
  const found: TemplateResult[] = [];
  for (let at = start; at < end; ) {
    const leaf = leaves[at] as Leaf;
    let next = at + 1;
    while (next < end && (leaves[next] as Leaf).depth > leaf.depth) next++;
    const facts = leaf.attributes.map(([name, value]) => `${name}: ${value}`).join(", ");
    const inner = leaf.signature || next === at + 1 ? nothing : html`<ul>${level(leaves, at + 1, next, signature)}</ul>`;
    found.push(html`<li><span class="name">${leaf.signature ? signature : leaf.name}${facts ? ` (${facts})` : ""}</span>
      ${leaf.text}${inner}</li>`);
    at = next;
  }
  return found;
}
