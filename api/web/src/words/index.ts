// What is said on the screen, by language.
import { en } from "./en";
import { vi, type Words } from "./vi";

export type Language = "vi" | "en";
export type { Words };

export const words: Record<Language, Words> = { vi, en };

/** The language of a tag such as `en-GB`; Vietnamese where we do not speak it. */
export function languageOf(tag: string | null | undefined): Language {
  return tag?.toLowerCase().split("-")[0] === "en" ? "en" : "vi";
}

/** `fill("Trang {n}", { n: 3 })` → "Trang 3". */
export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
