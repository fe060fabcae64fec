// The session as the service tells it (`GET /v1/sessions/{id}`).

/** Left, bottom, right, top in points, from the lower left corner of the page as it is shown. */
export type Box = readonly [number, number, number, number];

export interface Place {
  page: number;
  box: Box;
}

export interface Size {
  width: number;
  height: number;
}

export interface Outcome {
  state: string;
  code?: string;
  reason?: string;
  support_code?: string;
  /** What a failure is called and what to do, in each language. */
  title?: Record<string, string>;
  detail?: Record<string, string>;
  /** Whom it was passed on to. */
  reassigned_name?: string;
  /** Of the signed document. */
  sha256?: string;
}

export interface SessionDocument {
  id: string;
  name: string;
  title: string;
  format: "PDF" | "XML";
  size: number;
  sha256: string;
  pages: Size[];
  step: { name: string | null; title?: Record<string, string> | null; look: string | null; level: string; on_behalf?: string };
  place: (Place & { fixed: boolean }) | null;
  fields_taken: Place[];
  fill: { name: string; label: string | null; value: string; editable: boolean }[];
  /** Codes of what could deceive whoever signs it. */
  warnings: string[];
  state: string;
  outcome: Outcome;
}

/** What the signatures are worth that a document has, in each language. */
export interface Standing {
  verdict: string;
  summary: Record<string, string>;
  signatures: { name: string | null; time: string | null; indication: string; reason: Record<string, string> | null }[];
}

/** Somebody a document may be passed on to. */
export interface Colleague {
  id: string;
  name: string;
  title: string | null;
}

export interface Certificate {
  ref: string;
  name: string;
  title: string | null;
  organisation: string | null;
  not_before: string | null;
  not_after: string | null;
  usable: boolean;
  code?: string;
  holder: "seal" | "person" | "appliance";
  activation: "none" | "webauthn";
}

export interface Session {
  id: string;
  state: string;
  expires_at: string;
  person: { name: string };
  organisation: { name: string | null } | null;
  on_behalf?: string | null;
  language: string;
  return_url: string | null;
  hotline: string | null;
  documents: SessionDocument[];
  certificates: Certificate[];
  stopped?: boolean;
  progress: { done: number; total: number };
}

export interface Activation {
  challenge: string;
  rp_id: string;
  credential_ids: string[];
  user_verification: "required";
  /** Of the pages on which the person may answer. */
  origins?: string[];
}

/** States in which the official still decides. */
export const UNDECIDED = ["waiting", "opened", "partly"];
/** States after which nothing happens any more. */
export const OVER = ["done", "returned", "expired", "withdrawn"];
