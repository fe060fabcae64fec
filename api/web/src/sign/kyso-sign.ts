// <kyso-sign>: an official looks at documents, says where each signature goes, chooses a certificate, and consents once.
//
//   <kyso-sign session="…" token="…" server="https://kyso.example/" lang="vi"></kyso-sign>
//
// `own-page` takes the token from the address (`#token=…`) and out of it again; it then lives as long as the tab does.
// Without one, `csrf` is the proof of whoever is signed in at the service.
// Events, with the session's id in `detail`: kyso-ready, kyso-consented, kyso-document, kyso-done, kyso-error.
// What the service knows is asked for anew when the page is opened again; what was typed in is kept in this tab.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { keyed } from "lit/directives/keyed.js";
import { KysoElement } from "../element";
import { base } from "../style";
import { agreement, certificates } from "./agreement";
import { cautions, fields, passingOn, returning } from "./deciding";
import { Draft } from "./draft";
import "./kyso-document";
import { type Session, type SessionDocument, UNDECIDED } from "./model";
import { documents, head, outcome, progress, trouble } from "./progress";
import { type Access, Problem, Service } from "./service";
import { type Page, Sitting } from "./sitting";
import { boxStyle, signStyle } from "./style";

export class KysoSign extends KysoElement {
  static override styles = [base, boxStyle, signStyle];
  static override properties = {
    ...KysoElement.properties,
    session: { type: String },
    token: { type: String },
    ownPage: { type: Boolean, attribute: "own-page" },
    csrf: { type: String },
    looked: { state: true },
    refusal: { state: true },
    said: { state: true },
  };

  declare session: string;
  declare token: string;
  declare ownPage: boolean;
  declare csrf: string;
  /** Id of the document that is looked at; empty for the first. */
  declare looked: string;
  /** Why there is no sitting at all. */
  declare refusal: Problem | null;
  /** For those who hear the screen. */
  declare said: string;
  private sitting: Sitting | null = null;
  /** Ids of documents that were looked at. */
  private readonly seen = new Set<string>();
  private hadFocus = false;
  /** Whether there was a way to another page at the last look. */
  private wasLed = false;
  private readonly returned = () => document.visibilityState === "visible" && void this.sitting?.look();

  constructor() {
    super();
    this.session = this.token = this.csrf = this.looked = this.said = "";
    this.ownPage = false;
    this.refusal = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("visibilitychange", this.returned);
  }

  override disconnectedCallback(): void {
    document.removeEventListener("visibilitychange", this.returned);
    this.sitting?.end();
    super.disconnectedCallback();
  }

  protected override willUpdate(changed: PropertyValues): void {
    this.hadFocus = this.shadowRoot?.activeElement != null;
    if (changed.has("session") || changed.has("token") || changed.has("server")) this.begin();
  }

  /** Who had the focus on something that is gone goes on with what came of it. */
  protected override updated(): void {
    const elsewhere = this.renderRoot.querySelector<HTMLElement>("#elsewhere");
    const isLed = elsewhere !== null && !this.wasLed;
    this.wasLed = elsewhere !== null;
    if (this.hadFocus && isLed) elsewhere.focus();
    if (!this.hadFocus || this.shadowRoot?.activeElement) return;
    this.renderRoot.querySelector<HTMLElement>("#problem, #progress, #title")?.focus();
  }

  private begin(): void {
    this.sitting?.end();
    this.sitting = this.refusal = null;
    this.looked = "";
    this.seen.clear();
    if (!this.session) return;
    const access = this.access();
    if (!access) {
      if (this.ownPage) this.refusal = new Problem("session-token-invalid", this.words.sign.noToken, "", "");
      return;
    }
    const service = new Service(this.at(`v1/sessions/${encodeURIComponent(this.session)}`), access, this.language);
    const sitting = (this.sitting = new Sitting(service, new Draft(this.session), this.page()));
    void sitting.look().then(() => {
      if (!sitting.session) return;
      if (this.ownPage) this.speak(sitting.session.language);
      this.announce("kyso-ready", { state: sitting.session.state });
    });
  }

  /** What a sitting needs of this element. */
  private page(): Page {
    const words = () => this.words.sign;
    return {
      get words() {
        return words();
      },
      changed: () => this.requestUpdate(),
      announce: (name, detail) => this.announce(name, detail),
      say: (text) => (this.said = text),
    };
  }

  private announce(name: string, detail: Record<string, unknown>): void {
    this.dispatchEvent(new CustomEvent(name, { detail: { session: this.session, ...detail }, bubbles: true, composed: true }));
  }

  private access(): Access | null {
    const token = this.token || (this.ownPage ? this.tokenOfPage() : "");
    if (token) return { token };
    return this.csrf ? { csrf: this.csrf } : null;
  }

  /** The token of the address, taken out of it; afterwards that of this tab. */
  private tokenOfPage(): string {
    const name = `kyso-token-${this.session}`;
    const given = new URLSearchParams(location.hash.slice(1)).get("token");
    if (given) {
      sessionStorage.setItem(name, given);
      history.replaceState(history.state, "", location.pathname + location.search);
    }
    return given ?? sessionStorage.getItem(name) ?? "";
  }

  /** The page speaks the session's language, unless somebody chose another. */
  private speak(language: string): void {
    const query = new URLSearchParams(location.search);
    if (language === this.language || query.has("lang")) return;
    query.set("lang", language);
    location.replace(`${location.pathname}?${query.toString()}`);
  }

  /** Look at another document: its title comes into view, and with `focus` to who uses the keyboard. */
  private open(id: string, how: "look" | "focus"): void {
    this.looked = id;
    void this.updateComplete.then(() => {
      const title = this.renderRoot.querySelector<HTMLElement>("#title");
      const top = title?.getBoundingClientRect().top ?? 0;
      if (how === "focus") title?.focus({ preventScroll: true });
      if (top < 0 || top > innerHeight / 2) title?.scrollIntoView({ block: "start" });
    });
  }

  /** The page of signing in leads back here. */
  private wayBack(): string {
    return new URLSearchParams({ lang: this.language, next: `/sign/${this.session}?lang=${this.language}` }).toString();
  }

  // --- what is seen --------------------------------------------------------------------------------------------------

  protected override render(): TemplateResult {
    const words = this.words.sign;
    const { sitting } = this;
    const session = sitting?.session ?? null;
    const problem = this.refusal ?? sitting?.problem ?? null;
    const reload = sitting && (() => sitting.reload());
    const signIn = this.ownPage && problem?.code === "session-token-invalid" ? this.at(`login?${this.wayBack()}`) : null;
    return html`
      <p class="unseen" role="status" id="said">${this.said}</p>
      ${session ? head(session, words, this.language) : problem ? nothing : html`<p>${words.loading}</p>`}
      ${sitting && session ? progress(sitting, session, words) : nothing}
      ${problem ? trouble(problem, words, { hotline: session?.hotline ?? null, reload, signIn }) : nothing}
      ${sitting && session ? this.table(sitting, session) : nothing}
    `;
  }

  /** The documents on one side; on the other the one looked at, and what is to be decided. */
  private table(sitting: Sitting, session: Session): TemplateResult {
    const words = this.words.sign;
    const one = session.documents.find((other) => other.id === this.looked) ?? session.documents[0];
    const decides = UNDECIDED.includes(session.state) || session.state === "consented";
    if (one) this.seen.add(one.id);
    return html`<div class="two">
      <div class="side">${documents(session, one, this.seen, words, (id) => this.open(id, "look"))}</div>
      <div>
        ${one ? this.view(sitting, session, one, UNDECIDED.includes(session.state) && one.state === "waiting" ? "open" : "settled") : nothing}
        ${decides && sitting.waiting.length
          ? html`${certificates(sitting, session, words, this.language, () => this.requestUpdate())}${agreement(sitting, session, this.seen, words)}`
          : nothing}
      </div>
    </div>`;
  }

  private view(sitting: Sitting, session: Session, one: SessionDocument, still: "open" | "settled"): TemplateResult {
    const words = this.words.sign;
    const decides = still === "open";
    const signer = session.certificates.find((other) => other.ref === sitting.draft.chosen)?.name ?? session.person.name;
    return html`<section aria-labelledby="title"><h2 id="title" tabindex="-1">${one.title}</h2>
      ${one.step.title ? html`<p class="note" id="step">${one.step.title[this.language] ?? ""}</p>` : nothing}
      ${outcome(one, words, this.language, session.hotline)}
      ${decides ? cautions(one, words) : nothing}
      <kyso-document .document=${one} .sitting=${sitting} .words=${words} .language=${this.language}
        .place=${sitting.draft.place(one)} .decides=${decides} .signer=${signer}></kyso-document>
      ${decides ? fields(sitting, one, words) : nothing}
      <div class="actions">
        <button type="button" class="quiet" id="download" @click=${() => void sitting.download(one)}>
          ${one.state === "signed" ? words.download : words.downloadPlain}</button>
        ${this.neighbours(session, one)}
      </div>
      ${decides ? keyed(one.id, html`<div class="other">${returning(sitting, one, words)}${passingOn(sitting, one, words)}</div>`) : nothing}
    </section>`;
  }

  /** To the document before and the one after. */
  private neighbours(session: Session, one: SessionDocument): TemplateResult | typeof nothing {
    const words = this.words.sign;
    const all = session.documents;
    const at = all.indexOf(one);
    const button = (to: SessionDocument | undefined, id: string, label: string) =>
      to ? html`<button type="button" class="quiet" id=${id} @click=${() => this.open(to.id, "focus")}>${label}</button>` : nothing;
    if (all.length < 2) return nothing;
    return html`<span class="neighbours">${button(all[at - 1], "former", words.former)}
      <span class="note">${at + 1}/${all.length}</span>${button(all[at + 1], "next", words.next)}</span>`;
  }
}

if (!customElements.get("kyso-sign")) customElements.define("kyso-sign", KysoSign);
