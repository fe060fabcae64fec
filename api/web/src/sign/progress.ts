// How far it is: who is asked and until when, the state of the session and of each document, and what went wrong with whom
// to call. Pieces of <kyso-sign>.
import { html, nothing, type TemplateResult } from "lit";
import { fill, type Language, type Words } from "../words";
import { OVER, type Session, type SessionDocument } from "./model";
import type { Problem } from "./service";
import type { Sitting } from "./sitting";
import { isPage, moment } from "./telling";

type Piece = TemplateResult | typeof nothing;
type Sentences = Words["sign"];

const MANY = 8;
const TONES: Record<string, string> = { signed: "good", returned: "unsure", reassigned: "unsure", failed: "bad", signing: "plain" };

export function head(session: Session, words: Sentences, language: Language): TemplateResult {
  const facts = { organisation: session.organisation?.name ?? "–", at: moment(session.expires_at, language) };
  return html`<p class="lead" role="heading" aria-level="2">${fill(words.greeting, { name: session.person.name, n: session.documents.length })}</p>
    <p class="note">${fill(words.until, facts)}</p>`;
}

/** What can be done when something went wrong. */
export interface Ways {
  hotline: string | null;
  reload: (() => void) | null;
  /** Address of the page of signing in. */
  signIn: string | null;
}

/** What the session has come to, and what can be done about it. */
export function progress(sitting: Sitting, session: Session, words: Sentences): Piece {
  const { done, total } = session.progress;
  const isOver = session.state === "partly" && sitting.waiting.length === 0;
  const sentence = isOver ? words.partlyOver : ended(session, words);
  const isSigning = session.state === "signing";
  if (!isSigning && !sentence) return nothing;
  const tone = session.state === "done" ? "good" : isSigning ? "plain" : "unsure";
  const hasFailed = session.state === "partly" && session.documents.some((one) => one.state === "failed");
  const canGoOn = (session.stopped && !OVER.includes(session.state)) || hasFailed;
  const hasSigned = session.documents.some((one) => one.state === "signed");
  const count = fill(words.progress, { done, total });
  return html`<div class="box ${tone}" id="progress" tabindex="-1">
    ${sentence ? html`<p><b>${sentence}</b></p>` : nothing}
    ${done || !OVER.includes(session.state) ? html`<p>${count}</p>` : nothing}
    ${isSigning ? html`<progress max=${total} value=${done} aria-label=${count}></progress>` : nothing}
    ${sitting.isOffline ? html`<p>${words.offline}</p>` : nothing}
    ${session.stopped ? html`<p>${words.stopped}</p>` : nothing}
    <div class="actions">
      ${isSigning && !session.stopped ? html`<button type="button" id="stop" class="quiet" @click=${() => sitting.stop()}>${words.stop}</button>` : nothing}
      ${canGoOn
        ? html`<button type="button" id="go" aria-disabled=${sitting.isBusy} @click=${() => sitting.goOn()}>${session.stopped ? words.go : words.retry}</button>`
        : nothing}
      ${hasSigned && !isSigning
        ? html`<button type="button" class="quiet" @click=${() => void sitting.downloadAll()}>${words.downloadAll}</button>`
        : nothing}
      ${OVER.includes(session.state) && isPage(session.return_url) ? html`<a class="button" href=${session.return_url}>${words.backTo}</a>` : nothing}
    </div>
    ${session.hotline && tone !== "good" ? html`<p class="note">${fill(words.hotline, { hotline: session.hotline })}</p>` : nothing}
  </div>`;
}

/** The sentence of a state; of documents that are gone it says where they went. */
function ended(session: Session, words: Sentences): string | undefined {
  const isPassedOn = session.state === "returned" && session.documents.every((one) => one.state === "reassigned");
  return isPassedOn ? words.allPassedOn : words.sessionState[session.state];
}

/** What went wrong, what to do, and by which code it is found. */
export function trouble(problem: Problem, words: Sentences, ways: Ways): TemplateResult {
  const { hotline, reload, signIn } = ways;
  return html`<div class="box bad" role="alert" id="problem" tabindex="-1">
    <p><b>${problem.title || words.failed}</b></p>
    ${problem.detail ? html`<p>${problem.detail}</p>` : nothing}
    <p class="note">${codes(words, { code: problem.code, support: problem.support, hotline })}</p>
    <div class="actions">
      ${signIn ? html`<a class="button" href=${signIn}>${words.signIn}</a>` : nothing}
      ${reload ? html`<button type="button" class="quiet" @click=${reload}>${words.reload}</button>` : nothing}
    </div>
  </div>`;
}

/** All of them, each with its state and whether it was looked at. */
export function documents(
  session: Session, looked: SessionDocument | undefined, seen: ReadonlySet<string>, words: Sentences, open: (id: string) => void,
): TemplateResult {
  const state = (one: SessionDocument) => {
    const isRead = one.state === "waiting" && seen.has(one.id);
    const length = one.format === "PDF" ? fill(words.pages, { n: one.pages.length }) : "XML";
    return [words.state[one.state] ?? one.state, isRead ? words.seen : "", length].filter(Boolean).join(" · ");
  };
  const many = session.documents.length > MANY;
  return html`<nav aria-labelledby="documents"><h2 id="documents">${words.documents}</h2>
    <ul class=${many ? "list many" : "list"} tabindex=${many ? 0 : nothing}>${session.documents.map(
      (one) => html`<li><button type="button" class=${TONES[one.state] ?? ""} aria-current=${one === looked ? "true" : nothing}
          @click=${() => open(one.id)}>
        <b>${one.title}</b><span class="state">${state(one)}</span>
      </button></li>`,
    )}</ul></nav>`;
}

/** What became of one document; of a failure what happened and what to do. */
export function outcome(one: SessionDocument, words: Sentences, language: Language, hotline: string | null): Piece {
  const { code, reason, support_code: support, reassigned_name: name, title, detail } = one.outcome;
  if (one.state === "waiting" || (one.state === "signing" && !code)) return nothing;
  const state = words.state[one.state] ?? one.state;
  if (one.state === "signed") return html`<p class="chip good">${state}</p>`;
  const what = title?.[language];
  return html`<div class="box ${TONES[one.state] ?? "plain"}">
    <p><b>${state}${name ? ` (${name})` : ""}</b>${reason ? `: ${reason}` : ""}</p>
    ${what ? html`<p>${what}. ${detail?.[language] ?? ""}</p>` : nothing}
    ${one.state === "failed" ? html`<p>${words.failedHelp}</p>` : nothing}
    ${code ? html`<p class="note">${codes(words, { code, support: support ?? "", hotline })}</p>` : nothing}
  </div>`;
}

function codes(words: Sentences, told: { code: string; support: string; hotline: string | null }): string {
  const parts = [fill(words.code, { code: told.code })];
  if (told.support) parts.push(fill(words.support, { code: told.support }));
  if (told.hotline) parts.push(fill(words.hotline, { hotline: told.hotline }));
  return parts.join(" · ");
}
