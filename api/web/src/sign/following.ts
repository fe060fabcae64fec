// Keeps the page up to date while the service signs: events where they come through, questions where they do not.
import type { Service } from "./service";

const ASK_EVERY = 3_000;
const NOT_OFTENER = 400;

export class Following {
  private control: AbortController | null = null;
  private since = "";
  private timer = 0;

  constructor(
    private readonly service: Service,
    /** Asks for the session anew; false while the service cannot be reached. */
    private readonly look: () => Promise<boolean>,
  ) {}

  start(): void {
    if (!this.control) void this.run((this.control = new AbortController()));
  }

  end(): void {
    this.control?.abort();
    this.control = null;
    clearTimeout(this.timer);
    this.timer = 0;
  }

  private async run(control: AbortController): Promise<void> {
    while (!control.signal.aborted) {
      try {
        this.since = await this.service.listen(this.since, control.signal, () => this.soon());
      } catch {
        // No stream here, or it broke off: the question below does the same.
      }
      if (control.signal.aborted) return;
      await this.look();
      await new Promise((done) => setTimeout(done, ASK_EVERY));
    }
  }

  /** Many events in a row are one question. */
  private soon(): void {
    this.timer ||= window.setTimeout(() => {
      this.timer = 0;
      void this.look();
    }, NOT_OFTENER);
  }
}
