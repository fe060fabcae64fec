// Sends a file in pieces, so that a broken line costs no more than its last seconds: tus 1.0 (https://tus.io), as the service
// speaks it at `v1/uploads`. Loaded for large files, and once a line has broken. Written here because tus-js-client would
// bring seventeen packages, nearly all of them for Node.
//
//   const reference = await upload(file, { address: "/v1/uploads", headers: {}, sent: (octets) => … });   // "upload:upl_…"

/** A connection longer than this is one more thing that a proxy may hold back until it is whole. */
const PIECE = 4 * 1024 * 1024;
/** Milliseconds before the next try, after so many in a row that came no further. */
const PAUSES = [500, 1_000, 2_000, 5_000, 10_000, 10_000, 20_000, 20_000, 30_000, 30_000];
/** Milliseconds of silence after which a line is taken for broken. */
const SILENCE = 60_000;
const TUS = { "Tus-Resumable": "1.0.0" };

export interface Way {
  /** Where uploads begin. */
  address: string;
  headers: Record<string, string>;
  /** How many octets are there. */
  sent: (octets: number) => void;
}

/** What the service does not take, in its words. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
  ) {
    super(title);
  }
}

/** The name of the finished upload. Throws Refused, and what the last try threw when none came any further. */
export async function upload(file: File, way: Way): Promise<string> {
  const metadata = `filename ${base64(new TextEncoder().encode(file.name))}`;
  const begin = { "Upload-Length": String(file.size), "Upload-Metadata": metadata };
  const begun = await patiently(() => ask("POST", way.address, { ...way.headers, ...begin }));
  const address = new URL(begun.getResponseHeader("Location") ?? "", new URL(way.address, document.baseURI)).href;
  let offset = 0;
  let failed = 0;
  while (offset < file.size) {
    const before = offset;
    try {
      const piece = file.slice(offset, offset + PIECE);
      const kind = { "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
      const answer = await ask("PATCH", address, { ...way.headers, ...kind }, piece, (octets) => way.sent(before + octets));
      offset = Number(answer.getResponseHeader("Upload-Offset"));
      failed = 0;
    } catch (error) {
      if (!mayPass(error) || failed >= PAUSES.length) throw error;
      await pause(PAUSES[failed++] ?? 0);
      const answer = await patiently(() => ask("HEAD", address, way.headers));
      offset = Number(answer.getResponseHeader("Upload-Offset"));
      if (offset > before) failed = 0;
    }
    way.sent(offset);
  }
  return `upload:${address.slice(address.lastIndexOf("/") + 1)}`;
}

/** Take it away again: it would be kept for a day. */
export async function forget(reference: string, way: Way): Promise<void> {
  await ask("DELETE", `${way.address}/${reference.slice("upload:".length)}`, way.headers).catch(() => undefined);
}

async function patiently(work: () => Promise<XMLHttpRequest>): Promise<XMLHttpRequest> {
  for (const wait of PAUSES) {
    try {
      return await work();
    } catch (error) {
      if (!mayPass(error)) throw error;
      await pause(wait);
    }
  }
  return work();
}

/** A line that broke, a service that is busy, a piece that somebody else was faster with. */
function mayPass(error: unknown): boolean {
  return !(error instanceof Refused) || error.status >= 500 || error.status === 409 || error.status === 429;
}

function pause(wait: number): Promise<void> {
  return new Promise((done) => setTimeout(done, wait));
}

function ask(
  method: string, address: string, headers: Record<string, string>, body?: Blob, sent?: (octets: number) => void,
): Promise<XMLHttpRequest> {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open(method, address);
    for (const [name, value] of Object.entries({ ...TUS, ...headers })) request.setRequestHeader(name, value);
    let silent = 0;
    const heard = () => {
      clearTimeout(silent);
      silent = window.setTimeout(() => request.abort(), SILENCE);
    };
    request.upload.addEventListener("progress", (event) => {
      heard();
      sent?.(event.loaded);
    });
    request.addEventListener("load", () => (request.status < 300 ? done(request) : fail(refusal(request))));
    for (const name of ["error", "abort"]) request.addEventListener(name, () => fail(new TypeError("the connection was lost")));
    request.addEventListener("loadend", () => clearTimeout(silent));
    heard();
    request.send(body ?? null);
  });
}

function refusal(request: XMLHttpRequest): Refused {
  let told: { title?: string; detail?: string } = {};
  try {
    told = JSON.parse(request.responseText) as typeof told;
  } catch {
    // Somebody in between answered.
  }
  return new Refused(request.status, told.title ?? `HTTP ${request.status}`, told.detail ?? "");
}

function base64(octets: Uint8Array): string {
  return btoa(String.fromCharCode(...octets));
}
