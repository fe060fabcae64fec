// What a page that embeds the elements may rely on: attributes, properties, and events with what is in their `detail`.

/** `<kyso-sign session="ses_…" token="kst_…">` */
export declare class KysoSign extends HTMLElement {
  /** Address of the service; the one that the script came from where nothing is said. */
  server: string | undefined;
  session: string;
  /** The session's token, as `POST /v1/sessions` answered it. */
  token: string;
}

/** `<kyso-verify access="optional">` */
export declare class KysoVerify extends HTMLElement {
  server: string | undefined;
  /** Whether an API key is asked for, may be given, or neither. */
  access: "key" | "optional" | "none";
  apiKey: string;
  /** Octets that a file may have, for people to know. */
  limit: number | undefined;
  /** Verify these files. */
  take(files: Iterable<File> | null | undefined): Promise<void>;
}

/** `<kyso-inbox>`, on the service's own pages. */
export declare class KysoInbox extends HTMLElement {
  server: string | undefined;
}

export type SessionState =
  "waiting" | "opened" | "consented" | "signing" | "done" | "partly" | "returned" | "expired" | "withdrawn";
export type DocumentState = "waiting" | "signing" | "signed" | "returned" | "reassigned" | "failed";

declare global {
  interface HTMLElementTagNameMap {
    "kyso-sign": KysoSign;
    "kyso-verify": KysoVerify;
    "kyso-inbox": KysoInbox;
  }
  /** All bubble and leave shadow roots. */
  interface GlobalEventHandlersEventMap {
    /** The session was read. */
    "kyso-ready": CustomEvent<{ session: string; state: SessionState }>;
    /** Consent was given to these documents; signing goes on at the service. */
    "kyso-consented": CustomEvent<{ session: string; documents: string[] }>;
    /** A person's key is to be used on the service's own page, which a link leads to. */
    "kyso-elsewhere": CustomEvent<{ session: string; documents: string[] }>;
    /** A document has another state. */
    "kyso-document": CustomEvent<{ session: string; id: string; state: DocumentState }>;
    /** The session has ended. */
    "kyso-done": CustomEvent<{ session: string; state: SessionState }>;
    /** Something went wrong, and is shown; the codes are those of the service's problems. */
    "kyso-error": CustomEvent<{ session: string; code: string }>;
    /** A file was judged. */
    "kyso-verified": CustomEvent<{ name: string; status: number; word: string; sentence: string }>;
    /** What waits was read. */
    "kyso-inbox": CustomEvent<{ waiting: number }>;
  }
}
