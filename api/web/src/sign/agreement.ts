// With which certificate, exactly what, and the one consent to all of it. Pieces of <kyso-sign>.
import { html, nothing, type TemplateResult } from "lit";
import { fill, type Language, type Words } from "../words";
import type { Certificate, Session, SessionDocument } from "./model";
import type { Sitting } from "./sitting";
import { day } from "./telling";

type Sentences = Words["sign"];

const MANY = 12;
const SHOWN_OF_DIGEST = 12;

export function certificates(sitting: Sitting, session: Session, words: Sentences, language: Language, changed: () => void): TemplateResult {
  const choose = (one: Certificate) => {
    sitting.draft.choose(one.ref);
    changed();
  };
  return html`<fieldset class="panel" id="certificates"><legend>${words.certificate}</legend>
    ${session.certificates.length
      ? session.certificates.map((one) => certificate(one, one.ref === sitting.draft.chosen, words, language, () => choose(one)))
      : html`<p>${words.certificateNone}</p>`}
  </fieldset>`;
}

/** By the name of whom it is of and its dates; what cannot be used says why. */
function certificate(one: Certificate, isChosen: boolean, words: Sentences, language: Language, choose: () => void): TemplateResult {
  const isExpired = one.not_after !== null && new Date(one.not_after).getTime() < Date.now();
  const code = one.code ?? "";
  const refusal = isExpired ? words.expired : (words.unusable[code] ?? fill(words.unusableElse, { code }));
  const about = [one.title, one.organisation, words.holder[one.holder]].filter(Boolean).join(" · ");
  return html`<div class="choice">
    <input type="radio" name="certificate" id="key-${one.ref}" .checked=${isChosen} ?disabled=${!one.usable} @change=${choose} />
    <label for="key-${one.ref}"><b>${one.name}</b>
      ${about ? html`<small>${about}</small>` : nothing}
      <small>${fill(words.valid, { from: day(one.not_before, language), to: day(one.not_after, language) })}</small>
      ${one.usable ? nothing : html`<small class="refused">${refusal}</small>`}</label>
  </div>`;
}

/** The one list of what is about to be signed, and the one button. */
export function agreement(sitting: Sitting, session: Session, seen: ReadonlySet<string>, words: Sentences): TemplateResult {
  const all = sitting.waiting;
  const many = all.length > MANY;
  const unread = all.filter((one) => !seen.has(one.id)).length;
  const label = session.state === "consented" ? words.keyAgain : fill(words.consent, { n: all.length });
  return html`<section class="panel" aria-labelledby="about"><h2 id="about">${fill(words.about, { n: all.length })}</h2>
    ${session.on_behalf ? html`<p><b>${words.behalf[session.on_behalf] ?? session.on_behalf}</b></p>` : nothing}
    <ol class=${many ? "about many" : "about"} tabindex=${many ? 0 : nothing}>${all.map(
      (one) => html`<li>${one.title}<small>${where(sitting, one, words)} · <span class="mono">${
        fill(words.digest, { hash: one.sha256.slice(0, SHOWN_OF_DIGEST) })}</span></small>${
        one.warnings.length ? html`<small class="unread">${fill(words.cautionCount, { n: one.warnings.length })}</small>` : nothing}</li>`,
    )}</ol>
    ${unread ? html`<p class="unread">${fill(words.unread, { n: unread })}</p>` : nothing}
    <p class="note" id="consent-help">${sitting.draft.chosen ? words.consentHelp : words.consentNone}</p>
    ${sitting.waitsForKey ? html`<p role="status"><b>${words.key}</b></p>` : nothing}
    ${sitting.elsewhere
      ? html`<p role="status">${words.keyElsewhere}</p>
        <p><a class="button" id="elsewhere" href=${sitting.elsewhere} target="_blank" rel="noopener">${words.keyOpen}</a></p>`
      : html`<p><button type="button" id="consent" aria-describedby="consent-help" aria-disabled=${sitting.isBusy} ?disabled=${!sitting.draft.chosen}
      @click=${() => sitting.consent()}>${label}</button></p>`}
  </section>`;
}

function where(sitting: Sitting, one: SessionDocument, words: Sentences): string {
  if (one.format === "XML") return "XML";
  if (one.place?.fixed) return fill(words.aboutFixed, { n: one.place.page });
  const place = sitting.draft.place(one);
  return place ? fill(words.aboutPlaced, { n: place.page }) : words.aboutUnseen;
}
