// A person's key is used by a passkey or a security key (W3C WebAuthn): the challenge names exactly what was agreed to.
import type { Activation } from "./model";

/** Whether the person can answer on this page: one of these origins, and in no other page's frame (the keeper refuses both). */
export function answersHere(origins: readonly string[] | undefined): boolean {
  return (!origins || origins.includes(location.origin)) && isAlone();
}

function isAlone(): boolean {
  try {
    for (let one: Window = window; one !== one.parent; one = one.parent) {
      if (one.parent.location.origin !== location.origin) return false;
    }
    return true;
  } catch {
    return false; // a page of another origin does not say what it is
  }
}

/** The assertion as `PublicKeyCredential.toJSON()` spells it. Throws what `navigator.credentials.get` throws. */
export async function assertion(asked: Activation): Promise<unknown> {
  const found = (await navigator.credentials.get({
    publicKey: {
      challenge: octets(asked.challenge),
      rpId: asked.rp_id,
      allowCredentials: asked.credential_ids.map((id) => ({ type: "public-key" as const, id: octets(id) })),
      userVerification: asked.user_verification,
    },
  })) as PublicKeyCredential | null;
  if (!found) throw new DOMException("no credential", "NotAllowedError");
  const response = found.response as AuthenticatorAssertionResponse;
  return {
    id: found.id,
    rawId: found.id,
    type: found.type,
    response: {
      clientDataJSON: text(response.clientDataJSON),
      authenticatorData: text(response.authenticatorData),
      signature: text(response.signature),
    },
    clientExtensionResults: {},
  };
}

function octets(base64url: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64url.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
}

function text(buffer: ArrayBuffer): string {
  const binary = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
