// Pictures of the pages that are near what is looked at: one alone until the first is there, then a few at a time. Each
// comes in the first width, so that it can be read, and then in the last, so that it is sharp, unless the line is thin. Those that left before they
// came are not waited for; of a long document only a few are kept in memory.
//
//   pictures.begin(picture, [800, 1600]);
//   pictures.move([1, 2], []);

export type Picture = (page: number, width: number, signal: AbortSignal) => Promise<Blob>;

const KEPT = 12;
const AT_ONCE = 3;
/** Milliseconds within which a picture comes where there is bandwidth for a sharper one. */
const SWIFT = 1_000;

interface Shown {
  address: string;
  width: number;
}

export class Pictures {
  private readonly shown = new Map<number, Shown>();
  private readonly asked = new Map<number, AbortController>();
  private readonly absent = new Set<number>();
  private readonly near = new Set<number>();
  private picture: Picture | null = null;
  private widths: readonly number[] = [];

  constructor(private readonly changed: () => void) {}

  /** Address of a page's picture. */
  of(page: number): string | undefined {
    return this.shown.get(page)?.address;
  }

  isAbsent(page: number): boolean {
    return this.absent.has(page);
  }

  /** Pictures of another document, or in other widths; what is near, `move` says anew. */
  begin(picture: Picture, widths: readonly number[]): void {
    this.end();
    [this.picture, this.widths] = [picture, widths];
  }

  end(): void {
    for (const one of this.asked.values()) one.abort();
    for (const { address } of this.shown.values()) URL.revokeObjectURL(address);
    for (const kept of [this.asked, this.shown, this.absent, this.near]) kept.clear();
    this.picture = null;
  }

  /** Pages that have come near, and those that have left. */
  move(came: readonly number[], left: readonly number[]): void {
    for (const page of left) {
      this.near.delete(page);
      this.asked.get(page)?.abort();
      this.asked.delete(page);
    }
    for (const page of came) this.near.add(page);
    this.tidy();
    this.next();
  }

  retry(page: number): void {
    this.absent.delete(page);
    this.next();
  }

  private next(): void {
    const { picture } = this;
    const widths = isSwift() ? this.widths : this.widths.slice(0, 1);
    const most = this.shown.size ? AT_ONCE : 1;
    if (!picture || this.asked.size >= most) return;
    const idle = [...this.near].filter((page) => !this.asked.has(page) && !this.absent.has(page)).sort((one, other) => one - other);
    for (const width of widths) {
      const wanted = idle.filter((page) => (this.shown.get(page)?.width ?? 0) < width);
      for (const page of wanted.slice(0, most - this.asked.size)) void this.load(page, width, picture);
      if (wanted.length) return;
    }
  }

  private async load(page: number, width: number, picture: Picture): Promise<void> {
    const control = new AbortController();
    this.asked.set(page, control);
    const former = this.shown.get(page);
    try {
      const blob = await picture(page, width, control.signal);
      if (control.signal.aborted) return;
      this.shown.set(page, { address: URL.createObjectURL(blob), width });
      if (former) URL.revokeObjectURL(former.address);
    } catch {
      if (control.signal.aborted) return;
      // A page that can be read already stays as it is.
      if (former) this.shown.set(page, { ...former, width });
      else this.absent.add(page);
    }
    this.asked.delete(page);
    this.changed();
    this.next();
  }

  /** Those that are furthest from what is near give their memory back. */
  private tidy(): void {
    const middle = [...this.near].reduce((sum, page) => sum + page, 0) / (this.near.size || 1);
    const far = [...this.shown.keys()].filter((page) => !this.near.has(page));
    far.sort((one, other) => Math.abs(other - middle) - Math.abs(one - middle));
    for (const page of far.slice(0, Math.max(0, this.shown.size - KEPT))) {
      URL.revokeObjectURL(this.shown.get(page)?.address ?? "");
      this.shown.delete(page);
    }
  }
}

/** Whether the last picture came at once, however early it was asked for. */
function isSwift(): boolean {
  const pictures = performance.getEntriesByType("resource").filter((one) => one.name.includes("/pages/"));
  return (pictures[pictures.length - 1]?.duration ?? 0) < SWIFT;
}
