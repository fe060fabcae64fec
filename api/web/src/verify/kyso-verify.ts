// <kyso-verify>: sends chosen files one after the other, shows how far each is, and reads out the report.
// Nothing is stored: files and API key live in the element's memory. What stands inside of it is shown without a script.
//
//   <kyso-verify server="https://kyso.example/" lang="vi" access="optional" limit="20971520"></kyso-verify>
//
// `access`: "key" (asked for), "optional" (may be given), "none". Property `apiKey` gives it from outside.
// Events: `kyso-verified` with { name, status, word, sentence }.
import { html, nothing, type TemplateResult } from "lit";
import { hand, KysoElement } from "../element";
import { base } from "../style";
import type { Refused } from "../uploading";
import { fill } from "../words";
import { belonging } from "./belonging";
import { read, type Read } from "./report";
import { own, reports } from "./style";

const DOWNLOADS: [kind: string, name: string, ending: string][] = [
  ["text/html", "HTML", "html"],
  ["application/pdf", "PDF", "pdf"],
  ["application/json", "JSON", "json"],
  ["application/xml", "XML (ETSI)", "xml"],
];
const MIB = 1024 * 1024;
/** Octets from which on a file goes in pieces at once. */
const LARGE = 4 * MIB;

interface Item {
  file: File;
  detached: [string, File][];
  alone: boolean;
  stage: "waiting" | "uploading" | "verifying" | "done";
  sent: number;
  tone: string;
  said: string;
  passed: boolean;
  page: string;
  read: Read | null;
  saving: boolean;
}

export class KysoVerify extends KysoElement {
  static override styles = [base, reports, own];
  static override properties = {
    ...KysoElement.properties,
    access: { type: String },
    limit: { type: Number },
    wholePage: { type: Boolean, attribute: "whole-page" },
    apiKey: { attribute: false },
    items: { state: true },
    over: { state: true },
    said: { state: true },
    shown: { state: true },
  };

  declare access: "key" | "optional" | "none";
  declare limit: number | undefined;
  /** Whether files may be let go anywhere on the page. */
  declare wholePage: boolean;
  declare apiKey: string;
  declare items: Item[];
  declare over: boolean;
  declare said: string;
  declare shown: Read | null;
  private busy = false;

  constructor() {
    super();
    this.access = "none";
    this.apiKey = this.said = "";
    this.items = [];
    this.over = this.wholePage = false;
    this.shown = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    for (const name of DRAGS) this.dropzone().addEventListener(name, this.dragged);
  }

  override disconnectedCallback(): void {
    for (const name of DRAGS) this.dropzone().removeEventListener(name, this.dragged);
    super.disconnectedCallback();
  }

  private dropzone(): EventTarget {
    return this.wholePage ? document : this;
  }

  private readonly dragged = (event: Event): void => {
    const drag = event as DragEvent;
    drag.preventDefault();
    if (drag.type === "drop") void this.take(drag.dataTransfer?.files);
    if (drag.type === "dragleave" && drag.relatedTarget !== null) return;
    this.over = drag.type === "dragenter" || drag.type === "dragover";
  };

  /** Verify these files. */
  async take(files: Iterable<File> | null | undefined): Promise<void> {
    const chosen = await belonging([...(files ?? [])]);
    const blank = { stage: "waiting", sent: 0, tone: "", said: "", passed: false, page: "", read: null, saving: false } as const;
    this.items = [...this.items, ...chosen.map((one) => ({ ...blank, ...one, alone: chosen.length === 1 }))];
    this.next();
  }

  private next(): void {
    const item = this.items.find((one) => one.stage === "waiting");
    if (this.busy || !item) return;
    this.busy = true;
    item.stage = "uploading";
    this.requestUpdate();
    void this.answer(item, "text/html").then((answer) => {
      this.busy = false;
      this.finish(item, answer);
      this.next();
    });
  }

  /** The service's answer, null where it cannot be reached. Large files, and what a broken line stopped, go in pieces. */
  private async answer(item: Item, kind: string): Promise<XMLHttpRequest | Refused | null> {
    if (item.file.size < LARGE) {
      const answer = await this.send(item, kind, item.file);
      if (answer) return answer;
    }
    const { forget, Refused, upload } = await import("../uploading");
    const sent = (octets: number) => {
      item.sent = octets / item.file.size;
      this.requestUpdate();
    };
    const headers = { ...this.credentials(), "Accept-Language": this.language };
    const way = { address: this.at("v1/uploads"), headers, sent };
    try {
      const reference = await upload(item.file, way);
      const answer = await this.send(item, kind, reference);
      void forget(reference, way);
      return answer;
    } catch (error) {
      return error instanceof Refused ? error : null;
    }
  }

  private credentials(): Record<string, string> {
    return this.apiKey.trim() ? { Authorization: `Bearer ${this.apiKey.trim()}` } : {};
  }

  /** One request: how far the upload is, then that the document is being verified, then the answer. */
  private send(item: Item, kind: string, document: File | string): Promise<XMLHttpRequest | null> {
    const body = new FormData();
    if (typeof document === "string") body.append("upload", document);
    else body.append("document", document, document.name);
    for (const [name, other] of item.detached) body.append("detached", other, name);
    if (item.read?.at) body.append("options", JSON.stringify({ at: item.read.at }));
    const request = new XMLHttpRequest();
    request.open("POST", this.at(`v1/verifications?lang=${this.language}`));
    request.setRequestHeader("Accept", kind);
    for (const [name, value] of Object.entries(this.credentials())) request.setRequestHeader(name, value);
    request.responseType = kind === "text/html" ? "text" : "blob";
    if (item.stage !== "done") {
      request.upload.addEventListener("progress", (event) => {
        if (event.lengthComputable && typeof document !== "string") item.sent = event.loaded / event.total;
        this.requestUpdate();
      });
      request.upload.addEventListener("load", () => {
        item.stage = "verifying";
        this.requestUpdate();
      });
    }
    return new Promise((done) => {
      request.addEventListener("load", () => done(request));
      request.addEventListener("error", () => done(null));
      request.send(body);
    });
  }

  private finish(item: Item, answer: XMLHttpRequest | Refused | null): void {
    const { failed, connection } = this.words.verify;
    const isReport = answer instanceof XMLHttpRequest;
    const found = isReport ? read(answer.response as string) : null;
    const refusal = isReport || !answer ? connection : [answer.title, answer.detail].filter(Boolean).join(". ");
    item.stage = "done";
    item.passed = found !== null && answer?.status === 200;
    item.tone = item.passed && found ? found.tone : "bad";
    const [word, sentence] = found ? [found.word, found.sentence] : [failed, refusal];
    item.said = `${word}. ${sentence}`;
    this.said = `${item.file.name}: ${item.said}`;
    if (found && isReport) {
      item.page = answer.response as string;
      item.read = found;
      if (item.alone) this.show(item, "look");
    }
    this.requestUpdate();
    const detail = { name: item.file.name, status: answer?.status ?? 0, word, sentence };
    this.dispatchEvent(new CustomEvent("kyso-verified", { detail, bubbles: true, composed: true }));
  }

  private show(item: Item, how: "look" | "focus"): void {
    this.shown = item.read;
    void this.updateComplete.then(() => {
      const section = this.renderRoot.querySelector<HTMLElement>("#shown");
      if (how === "focus") section?.focus({ preventScroll: true });
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      section?.scrollIntoView({ behavior: still ? "auto" : "smooth" });
    });
  }

  private save(item: Item, kind: string, ending: string): void {
    const name = `${item.file.name}.report.${ending}`;
    if (kind === "text/html") {
      hand(new Blob([item.page], { type: kind }), name);
      return;
    }
    item.saving = true;
    this.requestUpdate();
    void this.answer(item, kind).then((answer) => {
      item.saving = false;
      if (answer instanceof XMLHttpRequest && answer.status === 200) hand(answer.response as Blob, name);
      else this.said = this.words.verify.connection;
      this.requestUpdate();
    });
  }

  protected override render(): TemplateResult {
    const words = this.words.verify;
    const limit = this.limit ? fill(words.limit, { size: size(this.limit) }) : "";
    return html`
      ${this.access === "key" ? this.key(words.keyNeeded) : nothing}
      <div class=${this.over ? "drop over" : "drop"} id="drop">
        <input id="document" class="file" type="file" multiple aria-describedby="limit" @change=${this.chosen} />
        <label for="document"><span class="button">${words.choose}</span> <span class="hint">${words.drop}</span></label>
        <p class="note" id="limit">${limit} ${words.privacy}</p>
      </div>
      ${this.access === "optional"
        ? html`<details class="more"><summary>${words.keyOptional}</summary>${this.key(words.keyOptionalHelp)}</details>`
        : nothing}
      <section id="files" aria-labelledby="files-title" ?hidden=${this.items.length === 0}>
        <h2 id="files-title">${words.files}</h2>
        <ul id="list" class="files">${this.items.map((one) => this.line(one))}</ul>
      </section>
      <p id="said" class="unseen" role="status">${this.said}</p>
      <section id="shown" class="report" aria-label=${words.report} tabindex="-1" ?hidden=${this.shown === null}>
        ${this.shown ? this.shown.content.cloneNode(true) : nothing}
      </section>
    `;
  }

  private key(help: string): TemplateResult {
    return html`<p class="key">
      <label for="key">${this.words.verify.key}</label>
      <input id="key" type="password" autocomplete="off" spellcheck="false" aria-describedby="key-help" .value=${this.apiKey}
        @input=${(event: Event) => (this.apiKey = (event.target as HTMLInputElement).value)} />
      <span class="note" id="key-help">${help}</span>
    </p>`;
  }

  private line(item: Item): TemplateResult {
    const words = this.words.verify;
    const beside = item.detached.map(([, other]) => other.name).join(", ");
    const value = item.stage === "verifying" ? undefined : item.sent;
    return html`<li class=${item.tone}>
      <p class="name">${item.file.name}</p>
      ${beside ? html`<p class="note">${words.together} ${beside}</p>` : nothing}
      <p class="state">${item.stage === "done" ? item.said : words[item.stage]}</p>
      ${item.stage === "done"
        ? nothing
        : value === undefined
          ? html`<progress aria-label=${item.file.name}></progress>`
          : html`<progress aria-label=${item.file.name} max="1" value=${value}></progress>`}
      ${item.read ? this.actions(item) : nothing}
    </li>`;
  }

  private actions(item: Item): TemplateResult {
    const words = this.words.verify;
    const saves = DOWNLOADS.map(
      ([kind, name, ending]) =>
        html`<button type="button" class="quiet" ?disabled=${item.saving} @click=${() => this.save(item, kind, ending)}>
          ${words.download} ${name}
        </button>`,
    );
    return html`<div class="actions">
      <button type="button" class="quiet" @click=${() => this.show(item, "focus")}>${words.read}</button>
      ${item.passed ? saves : nothing}
    </div>`;
  }

  private chosen(event: Event): void {
    const input = event.target as HTMLInputElement;
    const files = [...(input.files ?? [])];
    input.value = "";
    void this.take(files);
  }
}

const DRAGS = ["dragenter", "dragover", "dragleave", "drop"];

function size(count: number): string {
  return count < 1024 * MIB ? `${Math.floor(count / MIB)} MB` : `${Math.floor(count / (1024 * MIB))} GB`;
}

if (!customElements.get("kyso-verify")) customElements.define("kyso-verify", KysoVerify);
