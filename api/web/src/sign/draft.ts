// What the official has decided so far: the certificate, places of signatures, what was filled in. What was typed or chosen
// is kept in this tab, for the page may be opened again; places are the service's to keep.
import { rounded } from "./geometry";
import type { Place, Session, SessionDocument } from "./model";
import type { ConsentDocument } from "./service";

export class Draft {
  /** Reference of the chosen certificate; empty for none. */
  chosen = "";
  private places = new Map<string, Place>();
  private filled = new Map<string, Record<string, string>>();

  constructor(private readonly session: string) {
    const kept = this.read();
    this.chosen = kept.chosen ?? "";
    this.filled = new Map(kept.filled ?? []);
  }

  /** What the service knows by now: places, and which certificates may be chosen. */
  follow(session: Session): void {
    for (const one of session.documents) if (one.place && !this.places.has(one.id)) this.places.set(one.id, one.place);
    const usable = session.certificates.filter((one) => one.usable);
    if (!usable.some((one) => one.ref === this.chosen)) this.chosen = usable.length === 1 ? (usable[0]?.ref ?? "") : "";
  }

  choose(certificate: string): void {
    this.chosen = certificate;
    this.keep();
  }

  place(document: SessionDocument): Place | null {
    return this.places.get(document.id) ?? null;
  }

  put(document: SessionDocument, place: Place): void {
    this.places.set(document.id, place);
  }

  value(document: SessionDocument, field: SessionDocument["fill"][number]): string {
    return this.filled.get(document.id)?.[field.name] ?? field.value;
  }

  write(document: SessionDocument, field: string, value: string): void {
    this.filled.set(document.id, { ...this.filled.get(document.id), [field]: value });
    this.keep();
  }

  /** The document as it is agreed to. */
  agreed(document: SessionDocument): ConsentDocument {
    const found: ConsentDocument = { id: document.id, sha256: document.sha256 };
    const place = this.place(document);
    if (place && !document.place?.fixed) found.place = rounded(place);
    const values = this.filled.get(document.id);
    if (values && Object.keys(values).length) found.fill = values;
    return found;
  }

  private get name(): string {
    return `kyso-draft-${this.session}`;
  }

  // Storage may be forbidden to an embedded page; then nothing is kept.

  private read(): { chosen?: string; filled?: [string, Record<string, string>][] } {
    try {
      return JSON.parse(sessionStorage.getItem(this.name) ?? "{}");
    } catch {
      return {};
    }
  }

  private keep(): void {
    try {
      sessionStorage.setItem(this.name, JSON.stringify({ chosen: this.chosen, filled: [...this.filled] }));
    } catch {
      return;
    }
  }
}
