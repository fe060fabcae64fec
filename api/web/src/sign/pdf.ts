// The PDF itself, drawn here by pdf.js: loaded only when somebody asks for it. Its bytes must be those that are signed.
import { getDocument, GlobalWorkerOptions } from "pdfjs-dist/legacy/build/pdf.min.mjs";
import workerAddress from "pdfjs-dist/legacy/build/pdf.worker.min.mjs?url";

export interface Drawn {
  picture(page: number, width: number): Promise<Blob>;
  close(): void;
}

/** Null when the bytes are not those of the document with this SHA-256. */
export async function drawn(file: Blob, sha256: string | undefined): Promise<Drawn | null> {
  const bytes = await file.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  if ([...digest].map((octet) => octet.toString(16).padStart(2, "0")).join("") !== sha256) return null;
  GlobalWorkerOptions.workerSrc = workerAddress;
  const task = getDocument({ data: bytes, isEvalSupported: false, enableXfa: false, useWasm: false });
  const pdf = await task.promise;
  return {
    async picture(number, width) {
      const page = await pdf.getPage(number);
      const viewport = page.getViewport({ scale: width / page.getViewport({ scale: 1 }).width });
      const canvas = document.createElement("canvas");
      canvas.width = Math.round(viewport.width);
      canvas.height = Math.round(viewport.height);
      await page.render({ canvas, viewport }).promise;
      return new Promise((done, failed) =>
        canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("the page could not be drawn"))), "image/png"),
      );
    },
    close: () => void task.destroy(),
  };
}
