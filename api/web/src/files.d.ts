// Files that the build turns into modules.
declare module "*.css?inline" {
  const text: string;
  export default text;
}
declare module "*?url" {
  const address: string;
  export default address;
}
declare module "pdfjs-dist/legacy/build/pdf.min.mjs" {
  export * from "pdfjs-dist";
}
