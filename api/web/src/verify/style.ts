// The style of <kyso-verify>. Reports bring the style that they have everywhere, moved from the page to the element.
import { css, unsafeCSS } from "lit";
import report from "../../../reports/report.css?inline";

export const reports = unsafeCSS(report.replaceAll(":root", ":host").replace(/^body \{/m, ":host {"));

export const own = css`
  .drop { position: relative; border: 2px dashed var(--faint); border-radius: .6rem; padding: 1.75rem 1rem; text-align: center; background: var(--soft); }
  .drop.over { border-color: var(--link); border-style: solid; }
  .drop .file { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: pointer; }
  .drop label { display: block; }
  .drop .note { margin: .9rem auto 0; }
  .file:focus-visible ~ label .button, .drop:focus-within .button { outline: 3px solid var(--link); outline-offset: 3px; }
  @media (hover: none) { .drop .hint { display: none; } }
  .key { display: grid; gap: .3rem; max-width: 30rem; margin: 1rem 0; }
  .key label { font-weight: 600; }
  .more { margin-top: 1rem; }
  .more > .key { margin: 0 1rem 1rem; }
  .files { list-style: none; margin: 0; padding: 0; }
  .files li { border: 1px solid var(--line); border-left: .4rem solid var(--tone, var(--faint)); border-radius: .5rem; padding: .75rem 1rem; margin: .6rem 0; }
  .files .name { font-weight: 600; margin: 0; }
  .files .state { margin: .2rem 0; color: var(--tone, var(--faint)); }
  .files .note { margin: 0; }
  #shown { border-top: 1px solid var(--line); margin-top: 2rem; padding-left: 0; padding-right: 0; }
  #shown:focus { outline: none; }
`;
