// English. The compiler sees to it that nothing is missing.
import type { Words } from "./vi";

export const en: Words = {
  verify: {
    choose: "Choose documents",
    drop: "or drop them here",
    limit: "Up to {size} a file.",
    privacy: "Documents are read to be verified, and deleted at once.",
    key: "API key",
    keyNeeded: "Verifying here needs an API key. It stays in the memory of this page and is stored nowhere.",
    keyOptional: "I have an API key",
    keyOptionalHelp: "With an API key, larger files can be verified. It stays in the memory of this page and is stored nowhere.",
    files: "Chosen documents",
    together: "together with",
    waiting: "waiting",
    uploading: "uploading",
    verifying: "verifying",
    failed: "could not be verified",
    connection: "The service could not be reached. Try again.",
    read: "Read the report",
    download: "Download",
    report: "Report",
  },
};
