// A signature in XML may be over files that stand beside it. Those it names, of the files chosen together with it, go
// along with it, under the name that it has for them; they get no line of their own.

export interface Chosen {
  file: File;
  /** Name in the signature → file. */
  detached: [string, File][];
}

export async function belonging(all: File[]): Promise<Chosen[]> {
  const beside = new Map<File, [string, File][]>();
  for (const file of all.length < 2 ? [] : all) {
    if (!(await file.slice(0, 200).text()).trimStart().startsWith("<")) continue;
    const found: [string, File][] = [];
    for (const [, uri] of (await file.text()).matchAll(/\bURI\s*=\s*["']([^"'#]+)["']/g)) {
      const name = plain(uri ?? "");
      const other = all.find((one) => one !== file && one.name.normalize("NFC") === name.split("/").pop());
      if (other && !found.some(([known]) => known === name)) found.push([name, other]);
    }
    if (found.length) beside.set(file, found);
  }
  const taken = new Set<File>();
  for (const found of beside.values()) for (const [, other] of found) if (!beside.has(other)) taken.add(other);
  return all.filter((file) => !taken.has(file)).map((file) => ({ file, detached: beside.get(file) ?? [] }));
}

/** A URI as the name of a file: without XML's references and percent signs. */
function plain(uri: string): string {
  const text = uri.replaceAll("&amp;", "&");
  try {
    return decodeURIComponent(text).normalize("NFC");
  } catch {
    return text.normalize("NFC");
  }
}
