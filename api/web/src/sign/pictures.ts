// Pictures of the pages that are near what is looked at. Those that come near are asked for, those that left before they
// came are not waited for, and of a long document no more than a few are kept in memory.

export type Picture = (page: number, width: number, signal: AbortSignal) => Promise<Blob>;

const KEPT = 12;

export class Pictures {
  /** Page → address of its picture. */
  private readonly shown = new Map<number, string>();
  private readonly asked = new Map<number, AbortController>();
  private readonly absent = new Set<number>();

  constructor(private readonly changed: () => void) {}

  of(page: number): string | undefined {
    return this.shown.get(page);
  }

  isAbsent(page: number): boolean {
    return this.absent.has(page);
  }

  async load(page: number, width: number, picture: Picture): Promise<void> {
    if (this.shown.has(page) || this.asked.has(page)) return;
    const control = new AbortController();
    this.asked.set(page, control);
    this.absent.delete(page);
    try {
      const blob = await picture(page, width, control.signal);
      if (control.signal.aborted) return;
      this.shown.set(page, URL.createObjectURL(blob));
    } catch {
      if (!control.signal.aborted) this.absent.add(page);
    } finally {
      if (this.asked.get(page) === control) this.asked.delete(page);
    }
    this.changed();
  }

  /** The page is far away now. */
  leave(page: number): void {
    this.asked.get(page)?.abort();
    this.asked.delete(page);
    const address = this.shown.get(page);
    if (!address || this.shown.size <= KEPT) return;
    URL.revokeObjectURL(address);
    this.shown.delete(page);
    this.changed();
  }

  forget(): void {
    for (const one of this.asked.values()) one.abort();
    for (const address of this.shown.values()) URL.revokeObjectURL(address);
    this.asked.clear();
    this.shown.clear();
    this.absent.clear();
  }
}
