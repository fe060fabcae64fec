// <kyso-sign>: an official looks at documents, says where each signature goes, chooses a certificate, and consents once.
//
//   <kyso-sign session="…" token="…" server="https://kyso.example/" lang="vi"></kyso-sign>
//
// `own-page` takes the token from the address (`#token=…`) and out of it again; it then lives as long as the tab does.
// Events, with the session's id in `detail`: kyso-ready, kyso-consented, kyso-document, kyso-done, kyso-error.
// What the service knows is asked for anew when the page is opened again; what was typed in is kept in this tab.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { hand, KysoElement } from "../element";
import { base } from "../style";
import { fill } from "../words";
import { Following } from "./following";
import { firstFree, rounded, takenOn } from "./geometry";
import "./kyso-pages";
import type { KysoPages, Picture } from "./kyso-pages";
import { type Certificate, OVER, type Place, type Session, type SessionDocument, UNDECIDED } from "./model";
import { assertion } from "./passkey";
import type { Drawn } from "./pdf";
import { type Agreed, type ConsentDocument, type Outline, Problem, Service } from "./service";
import { signStyle } from "./style";
import { tree } from "./tree";

const TONES: Record<string, string> = { signed: "good", returned: "unsure", reassigned: "unsure", failed: "bad", signing: "plain" };
const ZOOMS = [1, 1.5, 2];
const PLACE_WAITS = 500;
const DAY = { day: "2-digit", month: "2-digit", year: "numeric", timeZone: "Asia/Ho_Chi_Minh" } as const;

interface Real {
  state: "no" | "opening" | "shown" | "refused";
  drawn: Drawn | null;
}

export class KysoSign extends KysoElement {
  static override styles = [base, signStyle];
  static override properties = {
    ...KysoElement.properties,
    session: { type: String },
    token: { type: String },
    ownPage: { type: Boolean, attribute: "own-page" },
    told: { state: true },
    problem: { state: true },
    looked: { state: true },
    chosen: { state: true },
    places: { state: true },
    filled: { state: true },
    outline: { state: true },
    real: { state: true },
    zoom: { state: true },
    busy: { state: true },
    waitsForKey: { state: true },
    isOffline: { state: true },
    said: { state: true },
  };

  declare session: string;
  declare token: string;
  declare ownPage: boolean;
  declare told: Session | null;
  declare problem: Problem | null;
  /** Id of the document that is looked at. */
  declare looked: string;
  declare chosen: string;
  declare places: Map<string, Place>;
  declare filled: Map<string, Record<string, string>>;
  declare outline: Outline | null;
  declare real: Real;
  declare zoom: number;
  declare busy: boolean;
  declare waitsForKey: boolean;
  declare isOffline: boolean;
  declare said: string;
  private service: Service | null = null;
  private following: Following | null = null;
  private picture: Picture = () => Promise.reject(new Error("nothing is open"));
  private placeTimer = 0;
  /** Names one attempt to consent, so that repeating it does nothing twice. */
  private mark = "";
  private readonly returned = () => document.visibilityState === "visible" && void this.look();

  constructor() {
    super();
    this.session = this.token = this.looked = this.chosen = this.said = "";
    this.ownPage = this.busy = this.waitsForKey = this.isOffline = false;
    this.told = this.problem = this.outline = null;
    this.places = new Map();
    this.filled = new Map();
    this.real = { state: "no", drawn: null };
    this.zoom = 1;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("visibilitychange", this.returned);
  }

  override disconnectedCallback(): void {
    document.removeEventListener("visibilitychange", this.returned);
    this.following?.end();
    this.real.drawn?.close();
    super.disconnectedCallback();
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (changed.has("session") || changed.has("token") || changed.has("server")) this.begin();
  }

  private begin(): void {
    this.following?.end();
    this.told = this.problem = this.service = null;
    if (!this.session) return;
    const token = this.token || (this.ownPage ? this.tokenOfPage() : "");
    if (!token) {
      if (this.ownPage) this.problem = new Problem("session-token-invalid", this.words.sign.noToken, "", "");
      return;
    }
    this.service = new Service(this.at(`v1/sessions/${encodeURIComponent(this.session)}`), token, this.language);
    this.following = new Following(this.service, () => this.look());
    this.remember("read");
    void this.look().then(() => this.told && this.announce("kyso-ready", { state: this.told.state }));
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

  // --- the session ---------------------------------------------------------------------------------------------------

  /** Ask for the session; false while the service cannot be reached. */
  private async look(): Promise<boolean> {
    if (!this.service) return true;
    try {
      this.take(await this.service.session());
      this.isOffline = false;
      return true;
    } catch (error) {
      if (error instanceof Problem || !this.told) this.fail(error);
      else this.isOffline = true;
      return false;
    }
  }

  private take(session: Session): void {
    const before = this.told;
    this.told = session;
    if (!before && this.ownPage) this.speak(session.language);
    for (const one of session.documents) {
      if (one.place && !this.places.has(one.id)) this.places.set(one.id, one.place);
      const former = before?.documents.find((other) => other.id === one.id);
      if (former && former.state !== one.state) {
        if (one.id === this.looked && this.real.state !== "no") this.open(one.id);
        this.announce("kyso-document", { id: one.id, state: one.state });
        this.said = `${one.title}: ${this.state(one.state)}`;
      }
    }
    const usable = session.certificates.filter((one) => one.usable);
    if (!usable.some((one) => one.ref === this.chosen)) this.chosen = usable.length === 1 ? (usable[0]?.ref ?? "") : "";
    if (!this.document()) this.open(session.documents[0]?.id ?? "");
    if (session.state === "signing" && !session.stopped) this.following?.start();
    else this.following?.end();
    if (before && before.state !== session.state && [...OVER, "partly"].includes(session.state)) {
      this.said = this.words.sign.sessionState[session.state] ?? session.state;
      if (session.state !== "partly") this.announce("kyso-done", { state: session.state });
    }
  }

  /** The page speaks the session's language, unless somebody chose another. */
  private speak(language: string): void {
    const query = new URLSearchParams(location.search);
    if (language === this.language || query.has("lang")) return;
    query.set("lang", language);
    location.replace(`${location.pathname}?${query.toString()}`);
  }

  private document(): SessionDocument | undefined {
    return this.told?.documents.find((one) => one.id === this.looked);
  }

  private open(id: string): void {
    this.looked = id;
    this.real.drawn?.close();
    this.real = { state: "no", drawn: null };
    this.outline = null;
    this.zoom = 1;
    const service = this.service;
    if (!service) return;
    this.picture = (page, width, signal) => service.picture(id, page, width, signal);
    if (this.document()?.format === "XML") {
      void service.text(id).then(
        (found) => this.looked === id && (this.outline = found),
        (error) => this.fail(error),
      );
    }
    this.requestUpdate();
  }

  private fail(error: unknown): void {
    const words = this.words.sign;
    this.problem =
      error instanceof Problem ? error : new Problem("connection", error instanceof TypeError ? words.connection : words.failed, "", "");
    this.announce("kyso-error", { code: this.problem.code });
  }

  private announce(name: string, detail: Record<string, unknown>): void {
    this.dispatchEvent(new CustomEvent(name, { detail: { session: this.session, ...detail }, bubbles: true, composed: true }));
  }

  private async act(work: () => Promise<unknown>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.problem = null;
    try {
      await work();
    } catch (error) {
      this.fail(error);
    } finally {
      this.busy = false;
    }
  }

  /** What was typed in is kept in this tab, for the page may be opened again. */
  private remember(how: "read" | "write"): void {
    const name = `kyso-draft-${this.session}`;
    try {
      if (how === "write") {
        sessionStorage.setItem(name, JSON.stringify({ chosen: this.chosen, filled: [...this.filled] }));
        return;
      }
      const kept = JSON.parse(sessionStorage.getItem(name) ?? "{}") as { chosen?: string; filled?: [string, Record<string, string>][] };
      this.chosen = kept.chosen ?? "";
      this.filled = new Map(kept.filled ?? []);
    } catch {
      // Storage may be forbidden to an embedded page; then nothing is kept.
    }
  }

  // --- what the official does ----------------------------------------------------------------------------------------

  private waiting(): SessionDocument[] {
    return this.told?.documents.filter((one) => one.state === "waiting") ?? [];
  }

  /** Consent; or, where that was interrupted before a person's key was used, go on from there. */
  private consent(): void {
    void this.act(async () => {
      const service = this.service;
      if (!service) return;
      clearTimeout(this.placeTimer);
      if (this.told?.state === "consented") return this.finish(service, await service.go());
      this.mark ||= random();
      const asked = this.waiting().map((one) => this.agreed(one));
      try {
        await this.finish(service, await service.consent(this.chosen, asked, this.mark));
      } catch (error) {
        // Only an answer ends the attempt: after a broken connection the same consent finds what it began.
        if (error instanceof Problem) this.mark = "";
        throw error;
      }
      this.mark = "";
    });
  }

  private async finish(service: Service, answer: Agreed): Promise<void> {
    const documents = this.waiting().map((one) => one.id);
    if (answer.activation) {
      this.waitsForKey = true;
      try {
        await service.activate(await assertion(answer.activation));
      } catch (error) {
        await this.look();
        if (error instanceof Problem || error instanceof TypeError) throw error;
        throw new Problem("activation-aborted", this.words.sign.keyAborted, "", "");
      } finally {
        this.waitsForKey = false;
      }
    }
    this.announce("kyso-consented", { documents });
    await this.look();
  }

  /** Go on with what was stopped, or failed for a reason that may have passed. */
  private goOn(): void {
    void this.act(async () => {
      if (this.service) await this.finish(this.service, await this.service.go());
    });
  }

  private agreed(one: SessionDocument): ConsentDocument {
    const found: ConsentDocument = { id: one.id, sha256: one.sha256 };
    const place = this.places.get(one.id);
    if (place && !one.place?.fixed) found.place = rounded(place);
    const values = this.filled.get(one.id);
    if (values && Object.keys(values).length) found.fill = values;
    return found;
  }

  private placed(one: SessionDocument, place: Place): void {
    this.places = new Map(this.places).set(one.id, place);
    clearTimeout(this.placeTimer);
    this.placeTimer = window.setTimeout(() => {
      this.service?.place(one.id, rounded(place)).then(
        () => (this.problem = null),
        (error) => this.fail(error),
      );
    }, PLACE_WAITS);
  }

  /** A first place: the last page with room, where signatures usually stand. */
  private putSomewhere(one: SessionDocument): void {
    for (let page = one.pages.length; page > 0; page--) {
      const size = one.pages[page - 1];
      if (size && firstFree(size, takenOn(page, one.fields_taken))) {
        this.pages()?.put(page);
        return;
      }
    }
    this.said = fill(this.words.sign.placeFull, { n: one.pages.length });
  }

  private pages(): KysoPages | null {
    return this.renderRoot.querySelector("kyso-pages");
  }

  private sendBack(event: Event, one: SessionDocument): void {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const reason = String(new FormData(form).get("reason") ?? "").trim();
    if (!reason) {
      this.said = this.words.sign.reasonNeeded;
      form.querySelector("textarea")?.focus();
      return;
    }
    void this.act(async () => {
      await this.service?.sendBack(one.id, reason);
      await this.look();
    });
  }

  private async openReal(one: SessionDocument): Promise<void> {
    const service = this.service;
    if (!service) return;
    this.real = { state: "opening", drawn: null };
    const which = one.state === "signed" ? "signed" : "shown";
    try {
      const [file, { drawn }] = await Promise.all([service.document(one.id, which), import("./pdf")]);
      const found = await drawn(file, which === "signed" ? one.outcome.sha256 : one.sha256);
      if (this.looked !== one.id) {
        found?.close();
        return;
      }
      if (found) this.picture = (page, width) => found.picture(page, width);
      this.real = { state: found ? "shown" : "refused", drawn: found };
    } catch {
      this.real = { state: "refused", drawn: null };
    }
  }

  private async download(one: SessionDocument): Promise<void> {
    await this.act(async () => {
      const blob = await this.service?.document(one.id, one.state === "signed" ? "signed" : "shown");
      if (blob) hand(blob, one.name);
    });
  }

  private async downloadAll(): Promise<void> {
    for (const one of this.told?.documents ?? []) if (one.state === "signed") await this.download(one);
  }

  // --- what is seen --------------------------------------------------------------------------------------------------

  private state(name: string): string {
    return this.words.sign.state[name] ?? name;
  }

  private when(text: string | null): string {
    if (!text) return "–";
    const locale = this.language === "vi" ? "vi-VN" : "en-GB";
    const time = { hour: "2-digit", minute: "2-digit" } as const;
    return new Date(text).toLocaleString(locale, { ...DAY, ...time });
  }

  private day(text: string | null): string {
    return text ? new Date(text).toLocaleDateString(this.language === "vi" ? "vi-VN" : "en-GB", DAY) : "–";
  }

  protected override render(): TemplateResult {
    const words = this.words.sign;
    const session = this.told;
    return html`
      <p class="unseen" role="status" id="said">${this.said}</p>
      ${session ? this.head(session) : this.problem ? nothing : html`<p>${words.loading}</p>`}
      ${this.problem ? this.trouble(this.problem) : nothing}
      ${session ? html`<div class="two"><div class="side">${this.documents(session)}</div><div>${this.main(session)}</div></div>` : nothing}
    `;
  }

  private head(session: Session): TemplateResult {
    const words = this.words.sign;
    const facts = { organisation: session.organisation?.name ?? "–", at: this.when(session.expires_at) };
    return html`<p class="lead" role="heading" aria-level="2">${fill(words.greeting, { name: session.person.name, n: session.documents.length })}</p>
      <p class="note">${fill(words.until, facts)}</p>
      ${this.progress(session)}`;
  }

  private progress(session: Session): TemplateResult | typeof nothing {
    const words = this.words.sign;
    const { done, total } = session.progress;
    const isOver = session.state === "partly" && this.waiting().length === 0;
    const sentence = isOver ? words.partlyOver : words.sessionState[session.state];
    const isSigning = session.state === "signing";
    if (!isSigning && !sentence) return nothing;
    const tone = session.state === "done" ? "good" : isSigning ? "plain" : "unsure";
    const hasFailed = session.state === "partly" && session.documents.some((one) => one.state === "failed");
    const canGoOn = (session.stopped && !OVER.includes(session.state)) || hasFailed;
    const hasSigned = session.documents.some((one) => one.state === "signed");
    return html`<div class="box ${tone}" id="progress">
      ${sentence ? html`<p><b>${sentence}</b></p>` : nothing}
      <p>${fill(words.progress, { done, total })}</p>
      ${isSigning ? html`<progress max=${total} value=${done} aria-label=${fill(words.progress, { done, total })}></progress>` : nothing}
      ${this.isOffline ? html`<p>${words.offline}</p>` : nothing}
      ${session.stopped ? html`<p>${words.stopped}</p>` : nothing}
      <div class="actions">
        ${isSigning && !session.stopped
          ? html`<button type="button" id="stop" class="quiet" @click=${() => void this.act(async () => { await this.service?.stop(); await this.look(); })}>${words.stop}</button>`
          : nothing}
        ${canGoOn ? html`<button type="button" id="go" ?disabled=${this.busy} @click=${() => this.goOn()}>${session.stopped ? words.go : words.retry}</button>` : nothing}
        ${hasSigned && !isSigning ? html`<button type="button" class="quiet" @click=${() => void this.downloadAll()}>${words.downloadAll}</button>` : nothing}
        ${OVER.includes(session.state) && safe(session.return_url)
          ? html`<a class="button" href=${session.return_url ?? ""}>${words.backTo}</a>`
          : nothing}
      </div>
      ${session.hotline && tone !== "good" ? html`<p class="note">${fill(words.hotline, { hotline: session.hotline })}</p>` : nothing}
    </div>`;
  }

  private trouble(problem: Problem): TemplateResult {
    const words = this.words.sign;
    const hotline = this.told?.hotline;
    return html`<div class="box bad" role="alert" id="problem">
      <p><b>${problem.title || words.failed}</b></p>
      ${problem.detail ? html`<p>${problem.detail}</p>` : nothing}
      <p class="note">${fill(words.code, { code: problem.code })}${problem.support ? html` · ${fill(words.support, { code: problem.support })}` : nothing}
        ${hotline ? html` · ${fill(words.hotline, { hotline })}` : nothing}</p>
      ${this.service
        ? html`<p><button type="button" class="quiet" @click=${() => { this.problem = null; void this.look(); }}>${words.reload}</button></p>`
        : nothing}
    </div>`;
  }

  private documents(session: Session): TemplateResult {
    const many = session.documents.length > 8;
    return html`<nav aria-labelledby="documents"><h2 id="documents">${this.words.sign.documents}</h2>
      <ul class=${many ? "list many" : "list"} tabindex=${many ? 0 : nothing}>${session.documents.map(
        (one) => html`<li><button type="button" class=${TONES[one.state] ?? ""} aria-current=${one.id === this.looked ? "true" : nothing}
            @click=${() => this.open(one.id)}>
          <b>${one.title}</b><span class="state">${this.state(one.state)}${one.format === "PDF" ? ` · ${fill(this.words.sign.pages, { n: one.pages.length })}` : " · XML"}</span>
        </button></li>`,
      )}</ul></nav>`;
  }

  private main(session: Session): TemplateResult {
    const one = this.document();
    const decides = UNDECIDED.includes(session.state) || session.state === "consented";
    return html`${one ? this.view(one, decides && one.state === "waiting") : nothing}
      ${decides && this.waiting().length ? html`${this.certificates(session)}${this.about(session)}` : nothing}`;
  }

  private view(one: SessionDocument, decides: boolean): TemplateResult {
    return html`<section aria-labelledby="title"><h2 id="title">${one.title}</h2>
      ${this.outcome(one)}
      ${one.format === "PDF" ? this.pdf(one, decides) : this.xml()}
      ${decides ? this.fields(one) : nothing}
      <div class="actions"><button type="button" class="quiet" id="download" @click=${() => void this.download(one)}>
        ${one.state === "signed" ? this.words.sign.download : this.words.sign.downloadPlain}</button></div>
      ${decides ? this.returning(one) : nothing}
    </section>`;
  }

  private outcome(one: SessionDocument): TemplateResult | typeof nothing {
    const words = this.words.sign;
    const { code, reason, support_code: support } = one.outcome;
    if (one.state === "waiting" || (one.state === "signing" && !code)) return nothing;
    const hotline = this.told?.hotline;
    return html`<div class="box ${TONES[one.state] ?? "plain"}"><p><b>${this.state(one.state)}</b>${reason ? `: ${reason}` : ""}</p>
      ${code ? html`<p class="note">${fill(words.code, { code })}${support ? ` · ${fill(words.support, { code: support })}` : ""}${hotline ? ` · ${fill(words.hotline, { hotline })}` : ""}</p>` : nothing}
      ${one.state === "failed" ? html`<p>${words.failedHelp}</p>` : nothing}
    </div>`;
  }

  private pdf(one: SessionDocument, decides: boolean): TemplateResult {
    const words = this.words.sign;
    const isSigned = one.state === "signed";
    const place = isSigned ? null : (this.places.get(one.id) ?? null);
    const placing = decides && !one.place?.fixed;
    const realShown = isSigned ? words.signedShown : words.realShown;
    const real = { no: isSigned ? words.signedNot : "", opening: words.realOpening, shown: realShown, refused: words.realRefused }[this.real.state];
    return html`
      ${isSigned ? nothing : html`<div class="bar" role="group" aria-label=${words.place}>
        ${one.place?.fixed
          ? html`<span class="note">${fill(words.placeFixed, { n: one.place.page })}</span>`
          : placing && place
            ? this.tools(one, place)
            : html`<span class="note">${place ? "" : words.placeNone}</span>
                ${placing ? html`<button type="button" id="put" class="quiet" @click=${() => this.putSomewhere(one)}>${words.placePut}</button>` : nothing}`}
      </div>`}
      <div class="view" tabindex="0" role="region" aria-label=${`${one.title}, ${fill(words.pages, { n: one.pages.length })}`}>
        <kyso-pages .document=${one} .words=${words} .picture=${this.picture} .placing=${placing} .place=${place} .zoom=${this.zoom}
          @place=${(event: CustomEvent<Place>) => this.placed(one, event.detail)}></kyso-pages>
      </div>
      <div class="bar">
        <button type="button" class="quiet" ?disabled=${this.zoom === 1} @click=${() => this.zooms(-1)}>${words.zoomOut}</button>
        <button type="button" class="quiet" ?disabled=${this.zoom === 2} @click=${() => this.zooms(1)}>${words.zoomIn}</button>
        ${this.real.state === "no"
          ? html`<button type="button" id="real" class="quiet" @click=${() => void this.openReal(one)}>
              ${isSigned ? words.signedReal : fill(words.real, { size: size(one.size, this.language) })}</button>`
          : nothing}
        ${real ? html`<span class="note" role="status">${real}</span>` : nothing}
      </div>`;
  }

  private tools(one: SessionDocument, place: Place): TemplateResult {
    const words = this.words.sign;
    const pages = one.pages.map((_, index) => html`<option value=${index + 1} ?selected=${index + 1 === place.page}>${index + 1}</option>`);
    return html`<label>${words.onPage} <select id="on-page" .value=${String(place.page)}
        @change=${(event: Event) => this.pages()?.put(Number((event.target as HTMLSelectElement).value))}>${pages}</select></label>
      <button type="button" class="quiet" @click=${() => this.pages()?.resize("smaller")}>${words.smaller}</button>
      <button type="button" class="quiet" @click=${() => this.pages()?.resize("larger")}>${words.larger}</button>
      <span class="note">${words.placeHelp}</span>`;
  }

  private zooms(by: number): void {
    this.zoom = ZOOMS[ZOOMS.indexOf(this.zoom) + by] ?? this.zoom;
  }

  private xml(): TemplateResult {
    const words = this.words.sign;
    return html`<div class="view" tabindex="0" role="region" aria-label="XML">${this.outline ? tree(this.outline.leaves, words.signature) : words.loading}</div>
      ${this.outline?.more ? html`<p class="note">${words.fullXml}</p>` : nothing}`;
  }

  private fields(one: SessionDocument): TemplateResult | typeof nothing {
    if (!one.fill.length) return nothing;
    const values = this.filled.get(one.id) ?? {};
    return html`<fieldset class="panel"><legend>${this.words.sign.fill}</legend>${one.fill.map(
      (field, index) => html`<div class="field"><label for="fill-${index}">${field.label ?? field.name}</label>
        <input id="fill-${index}" .value=${values[field.name] ?? field.value} ?readonly=${!field.editable} autocomplete="off"
          @input=${(event: Event) => {
            this.filled.set(one.id, { ...values, [field.name]: (event.target as HTMLInputElement).value });
            this.remember("write");
            this.requestUpdate();
          }} /></div>`,
    )}</fieldset>`;
  }

  private returning(one: SessionDocument): TemplateResult {
    const words = this.words.sign;
    return html`<details id="returning"><summary>${words.sendBack}</summary>
      <form class="field" @submit=${(event: Event) => this.sendBack(event, one)}>
        <label for="reason">${words.reason}</label>
        <textarea id="reason" name="reason" rows="3" maxlength="1000" required></textarea>
        <div><button type="submit" ?disabled=${this.busy}>${words.sendBack}</button></div>
      </form></details>`;
  }

  private certificates(session: Session): TemplateResult {
    const words = this.words.sign;
    return html`<fieldset class="panel" id="certificates"><legend>${words.certificate}</legend>
      ${session.certificates.length ? session.certificates.map((one) => this.certificate(one)) : html`<p>${words.certificateNone}</p>`}
    </fieldset>`;
  }

  private certificate(one: Certificate): TemplateResult {
    const words = this.words.sign;
    const isExpired = one.not_after !== null && new Date(one.not_after).getTime() < Date.now();
    const code = one.code ?? "";
    const refusal = isExpired ? words.expired : (words.unusable[code] ?? fill(words.unusableElse, { code }));
    const about = [one.title, one.organisation, words.holder[one.holder]].filter(Boolean).join(" · ");
    return html`<div class="choice">
      <input type="radio" name="certificate" id="key-${one.ref}" .checked=${one.ref === this.chosen} ?disabled=${!one.usable}
        @change=${() => { this.chosen = one.ref; this.remember("write"); }} />
      <label for="key-${one.ref}"><b>${one.name}</b>
        ${about ? html`<small>${about}</small>` : nothing}
        <small>${fill(words.valid, { from: this.day(one.not_before), to: this.day(one.not_after) })}</small>
        ${one.usable ? nothing : html`<small class="refused">${refusal}</small>`}</label>
    </div>`;
  }

  private about(session: Session): TemplateResult {
    const words = this.words.sign;
    const all = this.waiting();
    const label = session.state === "consented" ? words.keyAgain : fill(words.consent, { n: all.length });
    return html`<section class="panel" aria-labelledby="about"><h2 id="about">${fill(words.about, { n: all.length })}</h2>
      ${session.on_behalf ? html`<p>${fill(words.behalf, { kind: session.on_behalf })}</p>` : nothing}
      <ol class=${all.length > 12 ? "about many" : "about"} tabindex=${all.length > 12 ? 0 : nothing}>${all.map(
        (one) => html`<li>${one.title}<small>${this.where(one)} · <span class="mono">${fill(words.digest, { hash: one.sha256.slice(0, 12) })}</span></small></li>`,
      )}</ol>
      <p class="note" id="consent-help">${this.chosen ? words.consentHelp : words.consentNone}</p>
      ${this.waitsForKey ? html`<p role="status"><b>${words.key}</b></p>` : nothing}
      <p><button type="button" id="consent" aria-describedby="consent-help" ?disabled=${this.busy || !this.chosen} @click=${() => this.consent()}>${label}</button></p>
    </section>`;
  }

  private where(one: SessionDocument): string {
    const words = this.words.sign;
    const place = this.places.get(one.id);
    if (one.format === "XML") return "XML";
    if (one.place?.fixed) return fill(words.aboutFixed, { n: one.place.page });
    return place ? fill(words.aboutPlaced, { n: place.page }) : words.aboutUnseen;
  }
}

function random(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((octet) => octet.toString(16).padStart(2, "0")).join("");
}

/** Only an address that leads to a page. */
function safe(address: string | null): boolean {
  return address !== null && /^https?:\/\//i.test(address);
}

function size(bytes: number, language: string): string {
  const kilo = bytes / 1024;
  const [value, unit] = kilo < 1024 ? [Math.ceil(kilo), "kB"] : [kilo / 1024, "MB"];
  return `${value.toLocaleString(language, { maximumFractionDigits: 1 })} ${unit}`;
}

if (!customElements.get("kyso-sign")) customElements.define("kyso-sign", KysoSign);

declare global {
  interface HTMLElementTagNameMap {
    "kyso-sign": KysoSign;
  }
}
