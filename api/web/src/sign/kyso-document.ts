// <kyso-document>: one document to be looked at: the pages of a PDF, larger or smaller, as pictures or as the PDF itself; an
// XML as a tree; and the tools by which a signature is put in its place. Used by <kyso-sign>.
import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { base } from "../style";
import { fill, type Language, type Words } from "../words";
import "./kyso-pages";
import type { KysoPages } from "./kyso-pages";
import type { Place, SessionDocument, Standing } from "./model";
import type { Drawn } from "./pdf";
import type { Picture } from "./pictures";
import type { Outline } from "./service";
import type { Sitting } from "./sitting";
import { standing } from "./standing";
import { boxStyle, documentStyle } from "./style";
import { fileSize } from "./telling";
import { tree } from "./tree";

const ZOOMS = [1, 1.5, 2];
/** Pages from which on one wants to go to one by its number. */
const LONG = 4;

/** States in which a place is worth a word. */
const UNSETTLED = ["waiting", "signing"];
/** Pixels: a window in which a picture need not be large. */
const NARROW = 600;

/** A picture in memory. */
interface Shown {
  page: number;
  address: string;
}

/** The PDF itself, instead of pictures of its pages. */
type Real = "no" | "opening" | "shown" | "refused";

export class KysoDocument extends LitElement {
  static override styles = [base, boxStyle, documentStyle];
  static override properties = {
    document: { attribute: false },
    sitting: { attribute: false },
    words: { attribute: false },
    language: { attribute: false },
    place: { attribute: false },
    decides: { attribute: false },
    signer: { attribute: false },
    zoom: { state: true },
    real: { state: true },
    outline: { state: true },
    seen: { state: true },
    preview: { state: true },
    standing: { state: true },
  };

  declare document: SessionDocument;
  declare sitting: Sitting;
  declare words: Words["sign"];
  declare language: Language;
  /** Where the signature will be. */
  declare place: Place | null;
  /** Whether the official still decides about this document. */
  declare decides: boolean;
  /** Whose signature it will be. */
  declare signer: string;
  declare zoom: number;
  declare real: Real;
  declare outline: Outline | null;
  /** Number of the page that is looked at. */
  declare seen: number;
  /** The page with the signature as it will be. */
  declare preview: Shown | "opening" | null;
  /** What the signatures are worth that it has. */
  declare standing: Standing | "unknown" | null;
  private judged = "";
  private drawn: Drawn | null = null;
  private picture: Picture = () => Promise.reject(new Error("nothing is open"));

  constructor() {
    super();
    this.place = this.outline = this.preview = this.standing = null;
    this.decides = false;
    this.signer = "";
    this.real = "no";
    this.zoom = this.seen = 1;
  }

  override disconnectedCallback(): void {
    this.endPreview();
    this.drawn?.close();
    super.disconnectedCallback();
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (["place", "signer", "decides"].some((name) => changed.has(name))) this.endPreview();
    if (!changed.has("document") && !changed.has("sitting")) return;
    const former = changed.get("document") as SessionDocument | undefined;
    const isSame = former?.id === this.document.id && !changed.has("sitting");
    const isSignedSince = isSame && former.state !== this.document.state && (this.real !== "no" || this.document.state === "signed");
    if (!isSame || isSignedSince) this.begin(this.document.id);
  }

  private begin(id: string): void {
    const { service } = this.sitting;
    this.drawn?.close();
    this.endPreview();
    this.drawn = this.outline = this.standing = null;
    this.judged = "";
    this.real = "no";
    this.zoom = this.seen = 1;
    const which = this.document.state === "signed" ? "signed" : "shown";
    this.picture = async (page, width, signal) => {
      const found = await service.picture(id, which, page, width, signal);
      void this.judge(id, which);
      return found;
    };
    if (this.document.format === "XML") void this.read(id).then(() => this.judge(id, which));
  }

  /** Once something of the document can be read: until then the line is kept free. */
  private async judge(id: string, which: "shown" | "signed"): Promise<void> {
    const asked = `${id} ${which}`;
    if (this.judged === asked) return;
    this.judged = asked;
    const found = await this.sitting.service.signatures(id, which).catch(() => "unknown" as const);
    if (this.judged === asked) this.standing = found;
  }

  private async read(id: string): Promise<void> {
    try {
      const found = await this.sitting.service.text(id);
      if (this.document.id === id) this.outline = found;
    } catch (error) {
      this.sitting.fail(error);
    }
  }

  /** Load the PDF and draw it here, if it is the one on record. */
  private async open(one: SessionDocument): Promise<void> {
    this.real = "opening";
    const which = one.state === "signed" ? "signed" : "shown";
    try {
      const [file, { drawn }] = await Promise.all([this.sitting.service.document(one.id, which), import("./pdf")]);
      const found = await drawn(file, which === "signed" ? one.outcome.sha256 : one.sha256);
      if (this.document.id !== one.id) {
        found?.close();
        return;
      }
      this.drawn = found;
      if (found) this.picture = (page, width) => found.picture(page, width);
      this.real = found ? "shown" : "refused";
    } catch {
      this.real = "refused";
    }
  }

  /** Draw the page with the signature as it will be, or no longer. */
  private async showPreview(one: SessionDocument, page: number): Promise<void> {
    if (this.preview) return this.endPreview();
    const asked = (this.preview = "opening" as const);
    try {
      const blob = await this.sitting.preview(one, innerWidth > NARROW ? 1200 : 800);
      if (this.preview !== asked || this.document.id !== one.id) return;
      this.preview = { page, address: URL.createObjectURL(blob) };
      void this.updateComplete.then(() => this.pages?.showFrame());
    } catch (error) {
      this.endPreview();
      this.sitting.fail(error);
    }
  }

  private endPreview(): void {
    if (this.preview && this.preview !== "opening") URL.revokeObjectURL(this.preview.address);
    this.preview = null;
  }

  private get pages(): KysoPages | null {
    return this.renderRoot.querySelector("kyso-pages");
  }

  private putSomewhere(): void {
    const page = this.sitting.pageWithRoom(this.document);
    if (page) this.pages?.put(page);
  }

  // --- what is seen --------------------------------------------------------------------------------------------------

  protected override render(): TemplateResult {
    return html`${standing(this.standing, this.words, this.language)}${this.document.format === "PDF" ? this.pdf(this.document) : this.xml()}`;
  }

  private xml(): TemplateResult {
    return html`<div class="view" tabindex="0" role="region" aria-label="XML">${
      this.outline ? tree(this.outline.leaves, this.words.signature) : this.words.loading}</div>
      ${this.outline?.more ? html`<p class="note">${this.words.fullXml}</p>` : nothing}`;
  }

  private pdf(one: SessionDocument): TemplateResult {
    const { words } = this;
    const isSigned = one.state === "signed";
    return html`
      <div class="bar">
        ${one.pages.length >= LONG ? this.pager(one.pages.length) : nothing}
        <button type="button" class="quiet" aria-disabled=${this.zoom === ZOOMS[0]} @click=${() => this.zooms(-1)}>${words.zoomOut}</button>
        <button type="button" class="quiet" aria-disabled=${this.zoom === ZOOMS[ZOOMS.length - 1]} @click=${() => this.zooms(1)}>${words.zoomIn}</button>
        ${this.itself(one, isSigned)}
      </div>
      ${!UNSETTLED.includes(one.state) ? nothing : html`<div class="bar" role="group" aria-label=${words.place}>${this.placing(one)}</div>`}
      <div class="view" tabindex="0" role="region" aria-label=${`${one.title}, ${fill(words.pages, { n: one.pages.length })}`}
        @scroll=${() => (this.seen = this.pages?.seen ?? 1)}>
        <kyso-pages .document=${one} .words=${words} .picture=${this.picture} .placing=${this.decides && !one.place?.fixed}
          .place=${isSigned ? null : this.place} .zoom=${this.zoom} .signer=${this.signer}
          .preview=${this.preview === "opening" ? null : this.preview}
          @place=${(event: CustomEvent<Place>) => this.sitting.put(one, event.detail)}></kyso-pages>
      </div>`;
  }

  private pager(all: number): TemplateResult {
    const go = (event: Event) => {
      const wanted = Math.round(Number((event.target as HTMLInputElement).value));
      if (wanted >= 1 && wanted <= all) this.pages?.show(wanted);
      else (event.target as HTMLInputElement).value = String(this.seen);
    };
    return html`<label class="pager">${this.words.goTo} <input id="page" type="number" inputmode="numeric" min="1" max=${all}
      .value=${String(this.seen)} @change=${go} /> / ${all}</label>`;
  }

  /** Where the signature goes, and by what it is put there. */
  private placing(one: SessionDocument): TemplateResult {
    const { words } = this;
    if (one.place?.fixed) {
      return html`<span class="note">${fill(words.placeFixed, { n: one.place.page })}</span>
        <button type="button" id="show-place" class="quiet" @click=${() => this.pages?.showFrame()}>${words.placeShow}</button>
        ${this.previewing(one, one.place)}`;
    }
    if (this.decides && this.place) return this.tools(one, this.place);
    return html`<span class="note">${this.place ? "" : words.placeNone}</span>
      ${this.decides ? html`<button type="button" id="put" class="quiet" @click=${() => this.putSomewhere()}>${words.placePut}</button>` : nothing}`;
  }

  private previewing(one: SessionDocument, place: Place): TemplateResult | typeof nothing {
    const { words } = this;
    if (!this.decides || !this.sitting.draft.chosen) return nothing;
    const label = { no: words.preview, opening: words.previewOpening, shown: words.previewEnd }[
      this.preview === null ? "no" : this.preview === "opening" ? "opening" : "shown"
    ];
    return html`<button type="button" id="preview" class="quiet" @click=${() => void this.showPreview(one, place.page)}>${label}</button>
      <span class="unseen" role="status">${this.preview && this.preview !== "opening" ? words.previewShown : ""}</span>`;
  }

  private tools(one: SessionDocument, place: Place): TemplateResult {
    const { words } = this;
    const turn = (event: Event) => this.pages?.put(Number((event.target as HTMLSelectElement).value));
    const pages = one.pages.map((_, index) => html`<option value=${index + 1} ?selected=${index + 1 === place.page}>${index + 1}</option>`);
    return html`<label>${words.onPage} <select id="on-page" .value=${String(place.page)} @change=${turn}>${pages}</select></label>
      <button type="button" class="quiet" @click=${() => this.pages?.resize("smaller")}>${words.smaller}</button>
      <button type="button" class="quiet" @click=${() => this.pages?.resize("larger")}>${words.larger}</button>
      ${this.previewing(one, place)}
      <span class="note help">${words.placeHelp}</span>`;
  }

  private itself(one: SessionDocument, isSigned: boolean): TemplateResult {
    const { words } = this;
    const label = isSigned ? words.signedReal : fill(words.real, { size: fileSize(one.size, this.language) });
    const said: Record<Real, string> = {
      no: isSigned ? words.signedPictures : "",
      opening: words.realOpening,
      shown: isSigned ? words.signedShown : words.realShown,
      refused: words.realRefused,
    };
    const canOpen = this.real === "no";
    return html`<button type="button" id="real" class="quiet" aria-disabled=${!canOpen} @click=${() => canOpen && void this.open(one)}>${label}</button>
      ${said[this.real] ? html`<span class="note help" role="status">${said[this.real]}</span>` : nothing}`;
  }

  private zooms(by: number): void {
    this.zoom = ZOOMS[ZOOMS.indexOf(this.zoom) + by] ?? this.zoom;
  }
}

if (!customElements.get("kyso-document")) customElements.define("kyso-document", KysoDocument);

declare global {
  interface HTMLElementTagNameMap {
    "kyso-document": KysoDocument;
  }
}
