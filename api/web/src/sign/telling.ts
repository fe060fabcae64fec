// Times and sizes as people read them. Times are Việt Nam's, wherever the browser stands.
import type { Language } from "../words";

const ZONE = "Asia/Ho_Chi_Minh";
const DAY = { day: "2-digit", month: "2-digit", year: "numeric", timeZone: ZONE } as const;
const LOCALES: Record<Language, string> = { vi: "vi-VN", en: "en-GB" };

export function moment(text: string | null, language: Language): string {
  return text ? new Date(text).toLocaleString(LOCALES[language], { ...DAY, hour: "2-digit", minute: "2-digit" }) : "–";
}

export function day(text: string | null, language: Language): string {
  return text ? new Date(text).toLocaleDateString(LOCALES[language], DAY) : "–";
}

/** `fileSize(1536, "vi")` → "2 kB". */
export function fileSize(bytes: number, language: Language): string {
  const kilo = bytes / 1024;
  const [value, unit] = kilo < 1024 ? [Math.ceil(kilo), "kB"] : [kilo / 1024, "MB"];
  return `${value.toLocaleString(language, { maximumFractionDigits: 1 })} ${unit}`;
}

/** Only an address that leads to a page. */
export function isPage(address: string | null): address is string {
  return address !== null && /^https?:\/\//i.test(address);
}
