// What the signatures are worth that a document has, in the words of the report. A piece of <kyso-document>.
import { html, nothing, type TemplateResult } from "lit";
import type { Language, Words } from "../words";
import type { Standing } from "./model";
import { moment } from "./telling";

const TONES: Record<string, string> = { TOTAL_PASSED: "good", TOTAL_FAILED: "bad" };

/** The sentence on all of them, then who signed when; of one that is not valid, why. Nothing where there is none. */
export function standing(found: Standing | "unknown" | null, words: Words["sign"], language: Language): TemplateResult {
  return html`<div role="status">${found === "unknown" ? html`<p class="note">${words.standingUnknown}</p>` : told(found, words, language)}</div>`;
}

function told(found: Standing | null, words: Words["sign"], language: Language): TemplateResult | typeof nothing {
  if (!found || found.verdict === "NO_SIGNATURE") return nothing;
  return html`<div class="box ${TONES[found.verdict] ?? "unsure"}" id="standing"><p><b>${found.summary[language]}</b></p>
    <ul>${found.signatures.map((one) => html`<li>${one.name ?? words.standingNobody} · ${moment(one.time, language)}${
      one.reason ? html` · ${one.reason[language]}` : nothing}</li>`)}</ul></div>`;
}
