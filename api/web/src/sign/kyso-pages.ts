// <kyso-pages>: the pages of one document as pictures, and the frame of the signature on them. Used by <kyso-sign>.
// Pages come as they are scrolled to. The frame is moved by mouse, touch or keyboard; it never leaves the page nor lies
// over a field. Events: `place` with a Place.
import { html, LitElement, nothing, svg, type PropertyValues, type SVGTemplateResult, type TemplateResult } from "lit";
import { base } from "../style";
import { fill, type Words } from "../words";
import { FIRST_WIDTH } from "./ahead";
import { lettering, rectangle } from "./drawing";
import { firstFree, isFree, middle, moved, sized, takenOn, within, type Direction } from "./geometry";
import type { Box, Place, SessionDocument, Size } from "./model";
import { type Picture, Pictures } from "./pictures";
import { pagesStyle } from "./style";

const STEP = 6;
const WIDTHS = [FIRST_WIDTH, 1200, 1600, 2400];
const ARROWS: Record<string, Direction> = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };
const MM = 25.4 / 72;
/** How far beyond what is seen a page is asked for. */
const NEAR = "50% 0px";

/** A finger on the frame moves it and not the page; `touch-action` does nothing within an SVG. */
const STILL = { handleEvent: (event: Event) => event.preventDefault(), passive: false };

export class KysoPages extends LitElement {
  static override styles = [base, pagesStyle];
  static override properties = {
    document: { attribute: false },
    words: { attribute: false },
    picture: { attribute: false },
    place: { attribute: false },
    placing: { attribute: false },
    zoom: { attribute: false },
    signer: { attribute: false },
    preview: { attribute: false },
    held: { state: true },
    said: { state: true },
  };

  declare document: SessionDocument;
  declare words: Words["sign"];
  declare picture: Picture;
  declare place: Place | null;
  /** Whether the frame can be moved. */
  declare placing: boolean;
  /** How much wider than the column a page is shown: 1, 1.5, … */
  declare zoom: number;
  /** Whose signature it will be. */
  declare signer: string;
  /** A page with the signature as it will be. */
  declare preview: { page: number; address: string } | null;
  /** The frame while it is dragged. */
  declare held: { box: Box; grip: readonly [number, number] } | null;
  declare said: string;
  private readonly pictures = new Pictures(() => this.requestUpdate());
  private watcher: IntersectionObserver | null = null;

  constructor() {
    super();
    this.held = this.place = this.preview = null;
    this.placing = false;
    this.zoom = 1;
    this.said = this.signer = "";
  }

  override disconnectedCallback(): void {
    this.pictures.end();
    this.watcher?.disconnect();
    this.watcher = null;
    super.disconnectedCallback();
  }

  protected override updated(changed: PropertyValues): void {
    if (!this.isConnected) return;
    const former = changed.get("document") as SessionDocument | undefined;
    const isAnother = changed.has("document") && former?.id !== this.document.id;
    if (!isAnother && !changed.has("picture") && !changed.has("zoom") && this.watcher) return;
    this.pictures.begin(this.picture, this.widths());
    this.watcher?.disconnect();
    this.watcher = new IntersectionObserver((seen) => this.watched(seen), { root: this.parentElement, rootMargin: NEAR });
    for (const one of this.renderRoot.querySelectorAll("figure")) this.watcher.observe(one);
  }

  private watched(seen: IntersectionObserverEntry[]): void {
    const pages = (isNear: boolean) =>
      seen.filter((one) => one.isIntersecting === isNear).map((one) => Number((one.target as HTMLElement).dataset["page"]));
    this.pictures.move(pages(true), pages(false));
  }

  /** In which widths pages are asked for. Who enlarges one wants it sharp; else it can be read first. */
  private widths(): number[] {
    const wanted = this.clientWidth * this.zoom * Math.min(devicePixelRatio, this.zoom > 1 ? 2 : 1);
    const width = WIDTHS.find((one) => one >= wanted) ?? 2400;
    return this.zoom > 1 ? [width] : [...new Set([FIRST_WIDTH, width])];
  }

  // --- going about -------------------------------------------------------------------------------------------------

  /** The page that is in the middle of what is seen. */
  get seen(): number {
    const view = this.parentElement?.getBoundingClientRect();
    if (!view) return 1;
    const middle = view.top + view.height / 2;
    const all = [...this.renderRoot.querySelectorAll("figure")];
    return Math.max(1, all.findIndex((one) => one.getBoundingClientRect().bottom > middle) + 1);
  }

  show(page: number): void {
    const figure = this.renderRoot.querySelector(`figure[data-page="${page}"]`);
    const view = this.parentElement;
    if (figure && view) view.scrollTop += figure.getBoundingClientRect().top - view.getBoundingClientRect().top;
  }

  // --- the frame -----------------------------------------------------------------------------------------------------

  /** Put the frame on a page: where it was, or on the first free spot. Says so when there is none. */
  put(page: number): void {
    const size = this.document.pages[page - 1];
    if (!size) return;
    const taken = takenOn(page, this.document.fields_taken);
    const same = this.place && within(this.place.box, size);
    const wanted = this.place ? { width: this.place.box[2] - this.place.box[0], height: this.place.box[3] - this.place.box[1] } : undefined;
    const box = same && isFree(same, taken) ? same : firstFree(size, taken, wanted);
    if (!box) {
      this.said = fill(this.words.placeFull, { n: page });
      return;
    }
    this.settle({ page, box });
    void this.updateComplete.then(() => this.focusFrame());
  }

  /** Bring the frame into view. */
  showFrame(): void {
    const mine = this.renderRoot.querySelector(".mine");
    const view = this.parentElement;
    if (!mine || !view) return;
    view.scrollIntoView({ block: "nearest" });
    // Both are measured where the window stands now.
    const [frame, seen] = [mine.getBoundingClientRect(), view.getBoundingClientRect()];
    if (frame.top < seen.top || frame.bottom > seen.bottom) view.scrollTop += middle(frame.top, frame.bottom) - middle(seen.top, seen.bottom);
    if (frame.left < seen.left || frame.right > seen.right) view.scrollLeft += middle(frame.left, frame.right) - middle(seen.left, seen.right);
  }

  private focusFrame(): void {
    this.renderRoot.querySelector<SVGElement>(".mine")?.focus({ preventScroll: true });
    this.showFrame();
  }

  resize(by: "larger" | "smaller"): void {
    if (!this.place) return;
    const sign = by === "larger" ? 1 : -1;
    const { page, box } = this.place;
    const ratio = (box[3] - box[1]) / (box[2] - box[0]);
    const [size, taken] = this.around(page);
    const wide = sized(box, "right", sign * STEP * 2, size, taken);
    const both = wide && sized(wide, "down", sign * STEP * 2 * ratio, size, taken);
    this.tell(both && { page, box: both });
  }

  private around(page: number): [Size, Box[]] {
    return [this.document.pages[page - 1] ?? { width: 595, height: 842 }, takenOn(page, this.document.fields_taken)];
  }

  private tell(place: Place | null): void {
    if (place) this.settle(place);
    else this.said = this.words.placeStop;
  }

  private settle(place: Place): void {
    this.place = place;
    const [left, bottom, right, top] = place.box;
    const mm = (points: number) => Math.round(points * MM);
    const facts = { n: place.page, x: mm(left), y: mm(bottom), w: mm(right - left), h: mm(top - bottom) };
    this.said = fill(this.words.placeAt, facts);
    this.dispatchEvent(new CustomEvent("place", { detail: place }));
  }

  private readonly pressed = (event: KeyboardEvent): void => {
    if (!this.place || !this.placing) return;
    const { page, box } = this.place;
    const [size, taken] = this.around(page);
    const direction = ARROWS[event.key];
    if (direction) {
      const step = event.altKey || event.ctrlKey ? 1 : STEP;
      const grow = direction === "right" || direction === "down" ? step : -step;
      const axis = direction === "left" || direction === "right" ? "right" : "down";
      const next = event.shiftKey ? sized(box, axis, grow, size, taken) : moved(box, direction, step, size, taken);
      this.tell(next && { page, box: next });
    } else if (event.key === "PageUp" || event.key === "PageDown") {
      const next = page + (event.key === "PageUp" ? -1 : 1);
      if (next < 1 || next > this.document.pages.length) this.said = this.words.placeStop;
      else this.put(next);
    } else return;
    event.preventDefault();
    void this.updateComplete.then(() => this.showFrame());
  };

  private point(event: PointerEvent | MouseEvent, page: Size): [number, number] {
    const drawing = (event.currentTarget as SVGElement).closest("svg") as SVGSVGElement;
    const box = drawing.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * page.width, (1 - (event.clientY - box.top) / box.height) * page.height];
  }

  private grab(event: PointerEvent, page: Size): void {
    if (!this.placing || !this.place || event.button !== 0) return;
    const [x, y] = this.point(event, page);
    (event.currentTarget as SVGElement).setPointerCapture(event.pointerId);
    (event.currentTarget as SVGElement).focus({ preventScroll: true });
    this.held = { box: this.place.box, grip: [x - this.place.box[0], y - this.place.box[1]] };
  }

  private drag(event: PointerEvent, page: Size): void {
    if (!this.held || !this.place) return;
    const [x, y] = this.point(event, page);
    const { box, grip } = this.held;
    const [width, height] = [box[2] - box[0], box[3] - box[1]];
    const [left, bottom] = [x - grip[0], y - grip[1]];
    this.held = { grip, box: within([left, bottom, left + width, bottom + height], page) };
  }

  private release(): void {
    if (!this.held || !this.place) return;
    const { page } = this.place;
    const { box } = this.held;
    this.held = null;
    if (isFree(box, this.around(page)[1])) this.settle({ page, box });
    else this.said = this.words.placeOver;
  }

  /** A tap on the page puts the frame there: nobody has to drag (WCAG 2.2, 2.5.7). */
  private tapped(event: MouseEvent, number: number, page: Size): void {
    if (!this.placing || !this.place || (event.target as Element).closest(".mine")) return;
    const [x, y] = this.point(event, page);
    const [left, bottom, right, top] = this.place.box;
    const [width, height] = [right - left, top - bottom];
    const box = within([x - width / 2, y - height / 2, x + width / 2, y + height / 2], page);
    if (isFree(box, this.around(number)[1])) this.settle({ page: number, box });
    else this.said = this.words.placeOver;
  }

  // --- what is seen --------------------------------------------------------------------------------------------------

  protected override render(): TemplateResult {
    return html`${this.document.pages.map((size, index) => this.page(size, index + 1))}
      <p class="unseen" role="status">${this.said}</p>
      <p class="unseen" id="help">${this.words.placeHelp}</p>`;
  }

  private page(size: Size, number: number): TemplateResult {
    const address = this.preview?.page === number ? this.preview.address : this.pictures.of(number);
    const all = this.document.pages.length;
    const fields = this.document.fields_taken.filter((one) => one.page === number);
    return html`<figure data-page=${number} class="zoom-${this.zoom * 2}">
      ${this.pictures.isAbsent(number)
        ? html`<p class="absent">${fill(this.words.pageAbsent, { n: number })}
            <button type="button" class="quiet" @click=${() => this.pictures.retry(number)}>${this.words.again}</button></p>`
        : nothing}
      <svg viewBox="0 0 ${size.width} ${size.height}" class=${this.placing ? "placing" : ""} @click=${(event: MouseEvent) => this.tapped(event, number, size)}>
        <rect class="paper" width=${size.width} height=${size.height}></rect>
        ${address
          ? svg`<image role="img" aria-label=${fill(this.words.pageOf, { n: number, all })} href=${address}
              width=${size.width} height=${size.height} preserveAspectRatio="none"></image>`
          : nothing}
        ${this.placing && this.place ? fields.map((one) => rectangle("taken", one.box, size)) : nothing}
        ${this.place?.page === number ? this.frame(this.place, size) : nothing}
      </svg>
      <figcaption>${fill(this.words.pageOf, { n: number, all })}</figcaption>
    </figure>`;
  }

  private frame(place: Place, page: Size): SVGTemplateResult {
    const box = this.held?.box ?? place.box;
    const isOver = this.held !== null && !isFree(box, this.around(place.page)[1]);
    const text = lettering(box, page, [this.words.here, this.signer]);
    if (this.preview?.page === place.page) return this.outlined(box, page);
    if (!this.placing) return svg`<g class="mine fixed">${rectangle("", box, page)}${text}</g>`;
    return this.movable(isOver ? "mine over" : "mine", page, svg`${rectangle("", box, page)}${text}`);
  }

  /** Round what is seen already. */
  private outlined(box: Box, page: Size): SVGTemplateResult {
    const line = rectangle("line", box, page);
    return this.placing ? this.movable("mine", page, line) : svg`<g class="mine fixed">${line}</g>`;
  }

  private movable(style: string, page: Size, content: SVGTemplateResult): SVGTemplateResult {
    return svg`<g class=${style} tabindex="0" role="application" aria-roledescription=${this.words.frameRole}
        aria-label=${this.words.frame} aria-describedby="help" @keydown=${this.pressed}
        @pointerdown=${(event: PointerEvent) => this.grab(event, page)} @pointermove=${(event: PointerEvent) => this.drag(event, page)}
        @pointerup=${() => this.release()} @pointercancel=${() => (this.held = null)} @touchstart=${STILL}>${content}</g>`;
  }
}

if (!customElements.get("kyso-pages")) customElements.define("kyso-pages", KysoPages);

declare global {
  interface HTMLElementTagNameMap {
    "kyso-pages": KysoPages;
  }
}
