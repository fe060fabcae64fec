// What our elements have in common: the service they talk to and the language they speak.
import { LitElement } from "lit";
import { type Language, languageOf, type Words, words } from "./words";

/** The service that this file came from: its address without `/web/…`. */
const HERE = import.meta.url;
const HOME = new URL("..", HERE).href;

export class KysoElement extends LitElement {
  static override properties = {
    server: { type: String },
    lang: { type: String },
  };

  /** Address of the service; the one that this script came from when nothing is said. */
  declare server: string | undefined;

  protected get language(): Language {
    return languageOf(this.lang || this.closest("[lang]")?.getAttribute("lang") || document.documentElement.lang);
  }

  protected get words(): Words {
    return words[this.language];
  }

  /** The full address of a path of the service, such as `v1/verifications`. */
  protected at(path: string): string {
    const base = this.server ? new URL(this.server, document.baseURI).href : HOME;
    return new URL(path, base.endsWith("/") ? base : `${base}/`).href;
  }
}

/** Hand a file to whoever sits here. */
export function hand(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
