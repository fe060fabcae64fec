// One official at one session: what the service tells of it, and what the official does. It draws nothing; the page that it
// is given is told when something changed, and what the host page and those who hear the screen should know.
//
//   const sitting = new Sitting(service, new Draft("ses_1"), page);
//   await sitting.look();
//   sitting.consent();
import { hand } from "../element";
import { fill, type Words } from "../words";
import type { Draft } from "./draft";
import { Following } from "./following";
import { firstFree, rounded, takenOn } from "./geometry";
import { type Colleague, OVER, type Place, type Session, type SessionDocument } from "./model";
import { answersHere, assertion } from "./passkey";
import { type Agreed, Problem, type Service } from "./service";

const PLACE_WAITS = 500;
/** Refusals after which nothing is left to decide, and the state that they mean. */
const ENDED: Record<string, string> = { "session-withdrawn": "withdrawn", "session-expired": "expired" };

/** Where a sitting is seen. */
export interface Page {
  /** Sentences in its language. */
  readonly words: Words["sign"];
  changed(): void;
  /** An event for the host page. */
  announce(name: string, detail: Record<string, unknown>): void;
  /** For those who hear the screen. */
  say(text: string): void;
}

export class Sitting {
  /** The session as it was told last. */
  session: Session | null = null;
  problem: Problem | null = null;
  isBusy = false;
  isOffline = false;
  /** Whether the person's security key is being asked. */
  waitsForKey = false;
  /** Address of the page on which the person's key is used, where this is not one. */
  elsewhere: string | null = null;
  /** To whom documents may be passed on; null until somebody wants to know. */
  people: Colleague[] | null = null;
  private readonly following: Following;
  private placeTimer = 0;
  /** Names one attempt to consent, so that repeating it does nothing twice. */
  private mark = "";

  constructor(
    readonly service: Service,
    readonly draft: Draft,
    private readonly page: Page,
  ) {
    this.following = new Following(service, () => this.look());
  }

  end(): void {
    this.following.end();
  }

  get waiting(): SessionDocument[] {
    return this.session?.documents.filter((one) => one.state === "waiting") ?? [];
  }

  // --- the session ---------------------------------------------------------------------------------------------------

  /** Ask for the session; false while the service cannot be reached. */
  async look(): Promise<boolean> {
    try {
      this.take(await this.service.session());
      if (this.isOffline && this.problem?.code === "connection") this.problem = null;
      this.isOffline = false;
      return true;
    } catch (error) {
      if (error instanceof Problem || !this.session) this.fail(error);
      else {
        // Also where nothing was signed when it was told last: the answer that said so may be what was lost.
        this.isOffline = true;
        this.following.start();
      }
      return false;
    } finally {
      this.page.changed();
    }
  }

  private take(session: Session): void {
    const before = this.session;
    this.session = session;
    this.draft.follow(session);
    for (const one of session.documents) {
      const former = before?.documents.find((other) => other.id === one.id);
      if (!former || former.state === one.state) continue;
      this.page.announce("kyso-document", { id: one.id, state: one.state });
      this.page.say(`${one.title}: ${this.page.words.state[one.state] ?? one.state}`);
    }
    if (session.state !== "consented") this.elsewhere = null;
    if ((session.state === "signing" && !session.stopped) || this.elsewhere) this.following.start();
    else this.following.end();
    if (before && before.state !== session.state && [...OVER, "partly"].includes(session.state)) {
      this.page.say(this.page.words.sessionState[session.state] ?? session.state);
      if (session.state !== "partly") this.page.announce("kyso-done", { state: session.state });
    }
  }

  fail(error: unknown): void {
    const { connection, failed } = this.page.words;
    this.problem = error instanceof Problem ? error : new Problem("connection", error instanceof TypeError ? connection : failed, "", "");
    const ended = ENDED[this.problem.code];
    if (ended && this.session) this.session = { ...this.session, state: ended };
    this.page.announce("kyso-error", { code: this.problem.code });
    this.page.changed();
  }

  /** Ask again after something went wrong. */
  reload(): void {
    this.problem = null;
    void this.look();
  }

  /** One thing at a time; what goes wrong is shown. Buttons stay in reach meanwhile, so that nobody loses the focus. */
  private async act(work: () => Promise<unknown>): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    this.problem = null;
    this.page.changed();
    try {
      await work();
    } catch (error) {
      this.fail(error);
    } finally {
      this.isBusy = false;
      this.page.changed();
    }
  }

  // --- consent -------------------------------------------------------------------------------------------------------

  /** Consent; or, where that was interrupted before a person's key was used, go on from there. */
  consent(): void {
    if (this.session?.state === "consented") return this.goOn();
    void this.act(async () => {
      clearTimeout(this.placeTimer);
      this.mark ||= random();
      const asked = this.waiting.map((one) => this.draft.agreed(one));
      try {
        await this.finish(await this.service.consent(this.draft.chosen, asked, this.mark));
      } catch (error) {
        // Only an answer ends the attempt: after a broken connection the same consent finds what it began.
        if (error instanceof Problem) this.mark = "";
        throw error;
      }
      this.mark = "";
    });
  }

  /** Go on with what was stopped, or failed for a reason that may have passed. */
  goOn(): void {
    void this.act(async () => this.finish(await this.service.go()));
  }

  stop(): void {
    void this.act(async () => {
      await this.service.stop();
      await this.look();
    });
  }

  private async finish(answer: Agreed): Promise<void> {
    const documents = this.waiting.map((one) => one.id);
    if (answer.activation && !answersHere(answer.activation.origins)) {
      this.elsewhere = this.service.ownPage(answer.activation.origins);
      this.page.announce("kyso-elsewhere", { documents });
      await this.look();
      return;
    }
    if (answer.activation) {
      this.waitsForKey = true;
      this.page.changed();
      try {
        await this.service.activate(await assertion(answer.activation));
      } catch (error) {
        await this.look();
        if (error instanceof Problem || error instanceof TypeError) throw error;
        throw new Problem("activation-aborted", this.page.words.keyAborted, "", "");
      } finally {
        this.waitsForKey = false;
      }
    }
    this.page.announce("kyso-consented", { documents });
    await this.look();
  }

  // --- single documents ----------------------------------------------------------------------------------------------

  /** The frame was moved: kept here at once, told to the service when the hand rests. */
  put(document: SessionDocument, place: Place): void {
    this.draft.put(document, place);
    clearTimeout(this.placeTimer);
    this.placeTimer = window.setTimeout(() => {
      this.service.place(document.id, rounded(place)).then(
        () => (this.problem = null),
        (error) => this.fail(error),
      );
    }, PLACE_WAITS);
    this.page.changed();
  }

  /** The page with the signature as it will be. */
  preview(document: SessionDocument, width: number): Promise<Blob> {
    const { id, sha256: _, ...decided } = this.draft.agreed(document);
    return this.service.preview(id, { key: this.draft.chosen, ...decided }, width);
  }

  /** The last page with room, where signatures usually stand; null, and said, where there is none. */
  pageWithRoom(document: SessionDocument): number | null {
    for (let page = document.pages.length; page > 0; page--) {
      const size = document.pages[page - 1];
      if (size && firstFree(size, takenOn(page, document.fields_taken))) return page;
    }
    this.page.say(fill(this.page.words.placeFull, { n: document.pages.length }));
    return null;
  }

  sendBack(document: SessionDocument, reason: string): void {
    void this.act(async () => {
      await this.service.sendBack(document.id, reason);
      await this.look();
    });
  }

  async askPeople(): Promise<void> {
    if (this.people) return;
    try {
      this.people = await this.service.people();
    } catch (error) {
      this.fail(error);
    }
    this.page.changed();
  }

  passOn(document: SessionDocument, person: string, reason: string): void {
    void this.act(async () => {
      await this.service.reassign(document.id, person, reason);
      await this.look();
    });
  }

  async download(document: SessionDocument): Promise<void> {
    await this.act(async () => hand(await this.service.document(document.id, document.state === "signed" ? "signed" : "shown"), document.name));
  }

  async downloadAll(): Promise<void> {
    for (const one of this.session?.documents ?? []) if (one.state === "signed") await this.download(one);
  }
}

function random(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((octet) => octet.toString(16).padStart(2, "0")).join("");
}
