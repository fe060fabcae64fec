// The calls of a session, with its token. Problems come as the service says them (RFC 9457), in the page's language.
import { ahead } from "./ahead";
import type { Activation, Colleague, Place, Session, Standing } from "./model";

/** What went wrong: what happened, what to do, and by which code support finds it. */
export class Problem extends Error {
  constructor(
    readonly code: string,
    readonly title: string,
    readonly detail: string,
    readonly support: string,
  ) {
    super(`${code}: ${title}`);
  }
}

export interface ConsentDocument {
  id: string;
  sha256: string;
  place?: Place;
  fill?: Record<string, string>;
}

export type Preview = { key: string } & Pick<ConsentDocument, "place" | "fill">;

/** What follows a consent: a person's key wants an answer to a challenge first. */
export interface Agreed {
  state: string;
  activation?: Activation;
}

/** By what the service knows the official: the session's token, or the cookie of signing in with its proof. */
export type Access = { token: string } | { csrf: string };

export class Service {
  constructor(
    private readonly address: string,
    private readonly access: Access,
    private readonly language: string,
  ) {}

  /** The appliance's own page for this session, on one of these origins. */
  ownPage(origins: readonly string[] = []): string {
    const here = new URL(this.address.replace("/v1/sessions/", "/sign/"), location.href);
    const there = origins.includes(here.origin) ? here.origin : (origins[0] ?? here.origin);
    const token = "token" in this.access ? `#token=${this.access.token}` : "";
    return `${there}${here.pathname}?lang=${this.language}${token}`;
  }

  session(): Promise<Session> {
    return this.json("GET", "");
  }

  async picture(document: string, which: "shown" | "signed", page: number, width: number, signal: AbortSignal): Promise<Blob> {
    const query = `width=${width}${which === "signed" ? "&signed=1" : ""}`;
    return (await this.ask("GET", `/documents/${document}/pages/${page}?${query}`, undefined, signal)).blob();
  }

  signatures(document: string, which: "shown" | "signed"): Promise<Standing> {
    return this.json("GET", `/documents/${document}/signatures${which === "signed" ? "?signed=1" : ""}`);
  }

  text(document: string): Promise<Outline> {
    return this.json("GET", `/documents/${document}/text`);
  }

  async document(document: string, which: "shown" | "signed"): Promise<Blob> {
    return (await this.ask("GET", `/documents/${document}${which === "signed" ? "?signed=1" : ""}`)).blob();
  }

  /** The page with the signature as it will be: with this key, and what was decided so far. */
  async preview(document: string, asked: Preview, width: number): Promise<Blob> {
    return (await this.ask("POST", `/documents/${document}/preview?width=${width}`, asked)).blob();
  }

  place(document: string, place: Place): Promise<unknown> {
    return this.json("PUT", `/documents/${document}/place`, place);
  }

  sendBack(document: string, reason: string): Promise<unknown> {
    return this.json("POST", `/documents/${document}/return`, { reason });
  }

  async people(): Promise<Colleague[]> {
    return (await this.json<{ people: Colleague[] }>("GET", "/people")).people;
  }

  reassign(document: string, person: string, reason: string): Promise<unknown> {
    return this.json("POST", `/documents/${document}/reassign`, { person, reason });
  }

  consent(key: string, documents: ConsentDocument[], mark: string): Promise<Agreed> {
    return this.json("POST", "/consent", { key, documents }, { "Idempotency-Key": mark });
  }

  activate(assertion: unknown): Promise<unknown> {
    return this.json("PUT", "/activation", assertion);
  }

  stop(): Promise<unknown> {
    return this.json("POST", "/stop");
  }

  go(): Promise<Agreed> {
    return this.json("POST", "/continue");
  }

  /** Calls `heard` at each event until the stream ends; resumes after `since`. Answers the last event's id. */
  async listen(since: string, signal: AbortSignal, heard: () => void): Promise<string> {
    const headers: Record<string, string> = since ? { "Last-Event-ID": since } : {};
    const answer = await this.ask("GET", "/events", undefined, signal, { Accept: "text/event-stream", ...headers });
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const part = await reader?.read();
      if (!part || part.done) return since;
      const blocks = (rest + part.value).split(/\r?\n\r?\n/);
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        since = /^id: ?(.*)$/m.exec(block)?.[1] ?? since;
        if (/^data:/m.test(block)) heard();
      }
    }
  }

  private async json<T>(method: string, path: string, body?: unknown, more: Record<string, string> = {}): Promise<T> {
    const answer = await this.ask(method, path, body, undefined, more);
    return (answer.status === 204 ? null : await answer.json()) as T;
  }

  private async ask(method: string, path: string, body?: unknown, signal?: AbortSignal, more: Record<string, string> = {}): Promise<Response> {
    const proof = "token" in this.access ? { Authorization: `Bearer ${this.access.token}` } : { "Kyso-CSRF": this.access.csrf };
    const headers: Record<string, string> = { ...proof, "Accept-Language": this.language, ...more };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    // Pictures of pages may be kept for a while, as the service says; nothing else may.
    const cache = path.includes("/pages/") ? "default" : "no-store";
    const wanted: RequestInit = { method, headers, credentials: "token" in this.access ? "omit" : "same-origin", cache, signal: signal ?? null };
    if (body !== undefined) wanted.body = JSON.stringify(body);
    const begun = method === "GET" && "token" in this.access ? await ahead(this.address + path) : undefined;
    const answer = begun ?? (await fetch(this.address + path, wanted));
    if (answer.ok) return answer;
    throw await problemOf(answer);
  }
}

/** What an answer that is none says went wrong. */
export async function problemOf(answer: Response): Promise<Problem> {
  const told = (await answer.json().catch(() => ({}))) as Record<string, string | undefined>;
  const support = answer.headers.get("X-Request-Id") ?? told["instance"]?.split(":").pop() ?? "";
  return new Problem(told["code"] ?? `http-${answer.status}`, told["title"] ?? "", told["detail"] ?? "", support);
}

/** An XML document to be read: its elements in order. */
export interface Outline {
  leaves: { depth: number; name: string; attributes: [string, string][]; text: string; signature: boolean }[];
  more: boolean;
}
