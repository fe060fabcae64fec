// What the service serves, under names that change with their content, and `kyso.js`, whose name stays: it is what pages
// elsewhere load, and what the npm package exports.
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  build: {
    // Adopted style sheets are what asks for most (Safari 16.4, Firefox 101).
    target: ["chrome100", "edge100", "firefox102", "safari16.4"],
    outDir: "dist",
    emptyOutDir: true,
    manifest: "manifest.json",
    license: { fileName: "LICENSES.md" },
    modulePreload: false,
    sourcemap: false,
    assetsInlineLimit: 0,
    rollupOptions: {
      input: {
        verify: "src/verify/kyso-verify.ts",
        sign: "src/sign/kyso-sign.ts",
        ahead: "src/sign/ahead.ts",
        page: "src/page.css",
        inbox: "src/inbox/kyso-inbox.ts",
        kyso: "src/kyso.ts",
      },
      // Without it a page asks for a chunk that does nothing but name another.
      preserveEntrySignatures: "allow-extension",
      output: {
        entryFileNames: (chunk) => (chunk.name === "kyso" ? "kyso.js" : "[name]-[hash].js"),
        chunkFileNames: "[name]-[hash].js",
        assetFileNames: "[name]-[hash][extname]",
        // What several elements need is one file: each further one is another connection, and far away another wait.
        codeSplitting: {
          groups: [
            { name: "ahead", test: /src\/sign\/ahead/, priority: 2 },
            { name: "base", test: /preload-helper|node_modules\/(@?lit)|src\/(words|style|element|sign\/(service|telling))/, priority: 1 },
          ],
        },
      },
    },
  },
});
