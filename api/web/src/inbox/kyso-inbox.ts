// <kyso-inbox>: what waits for the signature of whoever is signed in at the service, those first whose time is short.
//
//   <kyso-inbox lang="vi"></kyso-inbox>
//
// For pages of the service itself: a page elsewhere does not have its cookie, and has links to sessions instead.
// Event: `kyso-inbox` with { waiting }, the number of sessions.
import { css, html, nothing, type TemplateResult } from "lit";
import { KysoElement } from "../element";
import { Problem, problemOf } from "../sign/service";
import { moment } from "../sign/telling";
import { base } from "../style";
import { fill } from "../words";

interface Waiting {
  id: string;
  state: string;
  created_at: string;
  expires_at: string | null;
  organisation: { name: string | null } | null;
  documents: { id: string; name: string; title: string | null; state: string }[];
}

const NAMED = 3;
const SHORT_MS = 24 * 60 * 60 * 1000;
const ASK_EVERY_MS = 60_000;

export class KysoInbox extends KysoElement {
  static override styles = [
    base,
    css`
      ul { list-style: none; margin: 0; padding: 0; }
      li.session { border: 1px solid var(--line); border-left: .4rem solid var(--tone, var(--link)); border-radius: .5rem; padding: .75rem 1rem; margin: .75rem 0; }
      h3 { font-size: 1.1rem; }
      .documents { margin: .35rem 0; }
      .documents li { padding-left: 1rem; text-indent: -1rem; }
      .documents li::before { content: "–"; display: inline-block; width: 1rem; text-indent: 0; }
      .facts { display: flex; flex-wrap: wrap; gap: .1rem 1.25rem; margin: .35rem 0; }
      .short { color: var(--unsure); font-weight: 600; }
      .box { border: 1px solid var(--tone, var(--line)); border-left-width: .5rem; border-radius: .5rem; background: var(--tone-soft, var(--soft)); padding: .75rem 1rem; margin: 1rem 0; }
      .box p { margin: .25rem 0; }
      .empty { text-align: center; padding: 2.5rem 1rem; border: 1px dashed var(--faint); border-radius: .6rem; background: var(--soft); }
      .empty p { margin: .25rem 0; }
      .empty b { font-size: 1.15rem; }
    `,
  ];
  static override properties = { ...KysoElement.properties, waiting: { state: true }, problem: { state: true } };

  declare waiting: Waiting[] | null;
  declare problem: Problem | null;
  private timer = 0;
  private readonly returned = () => document.visibilityState === "visible" && void this.look();

  constructor() {
    super();
    this.waiting = this.problem = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("visibilitychange", this.returned);
    this.timer = window.setInterval(this.returned, ASK_EVERY_MS);
    void this.look();
  }

  override disconnectedCallback(): void {
    document.removeEventListener("visibilitychange", this.returned);
    clearInterval(this.timer);
    super.disconnectedCallback();
  }

  private async look(): Promise<void> {
    try {
      const headers = { Accept: "application/json", "Accept-Language": this.language };
      const answer = await fetch(this.at("v1/inbox"), { headers, credentials: "same-origin", cache: "no-store" });
      if (!answer.ok) throw await problemOf(answer);
      const told = (await answer.json()) as { sessions: Waiting[] };
      this.waiting = told.sessions.sort((one, other) => time(one) - time(other));
      this.problem = null;
      const detail = { waiting: this.waiting.length };
      this.dispatchEvent(new CustomEvent("kyso-inbox", { detail, bubbles: true, composed: true }));
    } catch (error) {
      this.problem = error instanceof Problem ? error : new Problem("connection", this.words.inbox.connection, "", "");
    }
  }

  // --- what is seen --------------------------------------------------------------------------------------------------

  protected override render(): TemplateResult {
    const words = this.words.inbox;
    return html`
      ${this.problem ? this.trouble(this.problem) : nothing}
      <div aria-live="polite">${this.waiting ? this.list(this.waiting) : this.problem ? nothing : html`<p>${words.loading}</p>`}</div>
      <div class="actions"><button type="button" class="quiet" @click=${() => void this.look()}>${words.reload}</button></div>
    `;
  }

  private list(all: readonly Waiting[]): TemplateResult {
    const words = this.words.inbox;
    if (!all.length) return html`<div class="empty"><p><b>${words.none}</b></p><p class="note">${words.noneHelp}</p></div>`;
    return html`<h2>${fill(words.waiting, { n: all.length })}</h2><ul>${all.map((one) => this.session(one))}</ul>`;
  }

  private session(one: Waiting): TemplateResult {
    const words = this.words.inbox;
    const isShort = time(one) - Date.now() < SHORT_MS;
    const titles = one.documents.map((document) => document.title ?? document.name);
    const until = fill(isShort ? words.soon : words.until, { at: moment(one.expires_at, this.language) });
    const hasBegun = ["consented", "signing", "partly"].includes(one.state);
    return html`<li class=${isShort ? "session unsure" : "session"}>
      <h3 id=${one.id}>${titles.length === 1 ? titles[0] : fill(words.documents, { n: titles.length })}</h3>
      ${titles.length === 1 ? nothing : html`<ul class="documents">
        ${titles.slice(0, NAMED).map((title) => html`<li>${title}</li>`)}
        ${titles.length > NAMED ? html`<li>${fill(words.more, { n: titles.length - NAMED })}</li>` : nothing}</ul>`}
      <p class="facts"><span class=${isShort ? "short" : ""}>${until}</span>
        <span class="note">${words.state[one.state] ?? one.state}</span>
        ${one.organisation?.name ? html`<span class="note">${fill(words.from, { organisation: one.organisation.name })}</span>` : nothing}
        <span class="note">${fill(words.sent, { at: moment(one.created_at, this.language) })}</span></p>
      <div class="actions"><a class="button" aria-describedby=${one.id} href=${this.at(`sign/${one.id}?lang=${this.language}`)}>${
        hasBegun ? words.goOn : words.open}</a></div>
    </li>`;
  }

  private trouble(problem: Problem): TemplateResult {
    const words = this.words.inbox;
    const isSignedOut = problem.code === "not-authenticated";
    const back = new URLSearchParams({ lang: this.language, next: `/inbox?lang=${this.language}` }).toString();
    return html`<div class="box bad" role="alert" id="problem">
      <p><b>${isSignedOut ? words.signedOut : problem.title}</b></p>
      ${problem.detail && !isSignedOut ? html`<p>${problem.detail}</p>` : nothing}
      ${isSignedOut
        ? html`<div class="actions"><a class="button" href=${this.at(`login?${back}`)}>${words.signIn}</a></div>`
        : html`<p class="note">${fill(words.code, { code: problem.code })}${problem.support ? ` · ${fill(words.support, { code: problem.support })}` : ""}</p>`}
    </div>`;
  }
}

/** When it ends; never is last. */
function time(one: Waiting): number {
  return one.expires_at ? new Date(one.expires_at).getTime() : Number.MAX_SAFE_INTEGER;
}

if (!customElements.get("kyso-inbox")) customElements.define("kyso-inbox", KysoInbox);
