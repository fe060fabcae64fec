// What an official decides about one document besides signing it: what is filled in, and sending it back. Pieces of
// <kyso-sign>.
import { html, nothing, type TemplateResult } from "lit";
import type { Words } from "../words";
import type { SessionDocument } from "./model";
import type { Sitting } from "./sitting";

type Sentences = Words["sign"];

export function fields(sitting: Sitting, one: SessionDocument, words: Sentences): TemplateResult | typeof nothing {
  if (!one.fill.length) return nothing;
  return html`<fieldset class="panel"><legend>${words.fill}</legend>${one.fill.map(
    (field, index) => html`<div class="field"><label for="fill-${index}">${field.label ?? field.name}</label>
      <input id="fill-${index}" .value=${sitting.draft.value(one, field)} ?readonly=${!field.editable} autocomplete="off"
        @input=${(event: Event) => sitting.draft.write(one, field.name, (event.target as HTMLInputElement).value)} /></div>`,
  )}</fieldset>`;
}

export function returning(sitting: Sitting, one: SessionDocument, words: Sentences): TemplateResult {
  const submit = (event: Event) => {
    event.preventDefault();
    const area = (event.currentTarget as HTMLFormElement).elements.namedItem("reason") as HTMLTextAreaElement;
    const reason = area.value.trim();
    area.setCustomValidity(reason ? "" : words.reasonNeeded);
    if (area.reportValidity()) sitting.sendBack(one, reason);
  };
  const typed = (event: Event) => (event.target as HTMLTextAreaElement).setCustomValidity("");
  return html`<details id="returning"><summary>${words.sendBack}</summary>
    <form class="field" @submit=${submit}>
      <label for="reason">${words.reason}</label>
      <textarea id="reason" name="reason" rows="3" maxlength="1000" required @input=${typed}></textarea>
      <div><button type="submit" ?disabled=${sitting.isBusy}>${words.sendBack}</button></div>
    </form></details>`;
}
