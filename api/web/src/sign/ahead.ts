// What the page `/sign/…` needs first, asked for while the element's own script is still on its way: the session, and a
// picture of the first page. Far away each question costs the better part of a second before the first octet of its answer;
// so they are asked at once. The page names this module first; on any other page it asks for nothing.
//
//   (await ahead(address)) ?? (await fetch(address))

const HERE = import.meta.url;
const HOME = new URL("..", HERE).href;
/** As wide as the first picture of a page is, and of the document that is opened first. */
export const FIRST_WIDTH = 800;
const FIRST = `/documents/d1/pages/1?width=${FIRST_WIDTH}`;
const asked = new Map<string, Promise<Response | undefined>>();

/** The answer to what was asked ahead, for whoever wants it first; undefined where nothing came of it. */
export function ahead(address: string): Promise<Response | undefined> {
  const found = asked.get(address);
  asked.delete(address);
  return found ?? Promise.resolve(undefined);
}

function ask(): void {
  const page = `${location.origin}${location.pathname}`;
  if (!page.startsWith(`${HOME}sign/ses_`)) return;
  const session = page.slice(`${HOME}sign/`.length);
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? kept(session);
  if (!token || session.includes("/")) return;
  const headers = { Authorization: `Bearer ${token}`, "Accept-Language": document.documentElement.lang };
  const begin = (path: string, cache: RequestCache) => {
    const address = `${HOME}v1/sessions/${session}${path}`;
    const answer = fetch(address, { headers, credentials: "omit", cache });
    // What fails here is asked for again by whoever needs it, and fails there.
    asked.set(address, answer.then((found) => (found.ok ? found : undefined)).catch(() => undefined));
  };
  begin("", "no-store");
  begin(FIRST, "default");
}

/** The token of a page that was loaded before in this tab. */
function kept(session: string): string | null {
  try {
    return sessionStorage.getItem(`kyso-token-${session}`);
  } catch {
    return null;
  }
}

ask();
