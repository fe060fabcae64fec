// What an official is warned of and decides about one document besides signing it: what is filled in, sending it back,
// passing it on to somebody else. Pieces of <kyso-sign>.
import { html, nothing, type TemplateResult } from "lit";
import { fill, type Words } from "../words";
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

/** What could deceive whoever signs it, and what to do then. */
export function cautions(one: SessionDocument, words: Sentences): TemplateResult | typeof nothing {
  if (!one.warnings.length) return nothing;
  return html`<section class="box unsure" id="cautions" aria-labelledby="cautions-title"><h3 id="cautions-title">${words.cautions}</h3>
    <ul>${one.warnings.map((code) => html`<li>${words.caution[code] ?? fill(words.cautionElse, { code })}</li>`)}</ul>
    <p>${words.cautionHelp}</p></section>`;
}

export function returning(sitting: Sitting, one: SessionDocument, words: Sentences): TemplateResult {
  return html`<details id="returning"><summary>${words.sendBack}</summary>
    <form class="field" @submit=${submitted(words, (_, reason) => sitting.sendBack(one, reason))}>
      ${reason("reason", words.reason)}
      <div><button type="submit" class="quiet" aria-disabled=${sitting.isBusy}>${words.sendBack}</button></div>
    </form></details>`;
}

export function passingOn(sitting: Sitting, one: SessionDocument, words: Sentences): TemplateResult {
  const opened = (event: Event) => (event.target as HTMLDetailsElement).open && void sitting.askPeople();
  return html`<details id="passing-on" @toggle=${opened}><summary>${words.passOn}</summary>
    <form class="field" @submit=${submitted(words, (form, reason) => sitting.passOn(one, String(form.get("person")).trim(), reason))}>
      <label for="person">${words.passOnTo}</label>
      ${person(sitting, words)}
      ${reason("reason-on", words.passOnReason)}
      <div><button type="submit" class="quiet" aria-disabled=${sitting.isBusy} ?disabled=${!sitting.people}>${words.passOn}</button></div>
    </form></details>`;
}

/** People of one's own organisation; where the directory has none, whoever is typed in. */
function person(sitting: Sitting, words: Sentences): TemplateResult {
  const { people } = sitting;
  if (people && !people.length) return html`<input id="person" name="person" maxlength="200" autocomplete="off" required />`;
  return html`<select id="person" name="person" required>
    <option value="">${people ? words.passOnChoose : words.loading}</option>
    ${people?.map((one) => html`<option value=${one.id}>${[one.name, one.title].filter(Boolean).join(" – ")}</option>`)}
  </select>`;
}

function reason(id: string, label: string): TemplateResult {
  const typed = (event: Event) => (event.target as HTMLTextAreaElement).setCustomValidity("");
  return html`<label for=${id}>${label}</label>
    <textarea id=${id} name="reason" rows="3" maxlength="1000" required @input=${typed}></textarea>`;
}

/** Nothing is done without a reason, and blanks are none. */
function submitted(words: Sentences, done: (form: FormData, reason: string) => void): (event: Event) => void {
  return (event) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const area = form.elements.namedItem("reason") as HTMLTextAreaElement;
    const given = area.value.trim();
    area.setCustomValidity(given ? "" : words.reasonNeeded);
    if (form.reportValidity()) done(new FormData(form), given);
  };
}
