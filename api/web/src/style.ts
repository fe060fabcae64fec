// Colours, buttons and focus, the same in all our elements. Lit adopts these sheets, so a policy without inline styles holds.
import { css } from "lit";

export const base = css`
  :host {
    color-scheme: light dark; display: block; color: var(--ink);
    font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
    overflow-wrap: anywhere;
    --paper: #ffffff; --ink: #1c1f23; --faint: #565d66; --line: #d5d9de; --soft: #f4f5f7;
    --good: #0b6b3a; --good-soft: #e6f4ec; --bad: #a8201a; --bad-soft: #fbe9e7;
    --unsure: #7a4a00; --unsure-soft: #fdf1db; --plain: #3d4650; --plain-soft: #eceff2; --link: #0b57d0;
  }
  @media (prefers-color-scheme: dark) {
    :host {
      --paper: #14171a; --ink: #e8eaed; --faint: #a9b0b8; --line: #383e45; --soft: #1d2126;
      --good: #7fd6a4; --good-soft: #12301f; --bad: #ffaba3; --bad-soft: #3b1614;
      --unsure: #f6c26b; --unsure-soft: #35260b; --plain: #c3c9d0; --plain-soft: #262b31; --link: #9cc0ff;
    }
  }
  :host([hidden]), [hidden] { display: none !important; }
  *, ::before, ::after { box-sizing: border-box; }
  h2 { font-size: 1.15rem; line-height: 1.3; margin: 1.5rem 0 .5rem; }
  h3 { font-size: 1rem; line-height: 1.35; margin: 0; }
  a { color: var(--link); }
  button, .button {
    display: inline-block; font: inherit; font-weight: 600; border: 1px solid var(--link); border-radius: .45rem;
    background: var(--link); color: var(--paper); padding: .55rem 1.2rem; cursor: pointer; min-height: 2.75rem; text-decoration: none;
  }
  button[disabled], button[aria-disabled="true"] { opacity: .55; cursor: not-allowed; }
  button.quiet { background: none; color: var(--link); padding: .35rem .8rem; }
  input, select, textarea {
    font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--faint); border-radius: .45rem;
    padding: .5rem .7rem; min-height: 2.75rem; max-width: 100%;
  }
  :focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
  progress { width: 100%; height: .7rem; accent-color: var(--link); }
  .note { color: var(--faint); font-size: .925rem; }
  .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  .good { --tone: var(--good); --tone-soft: var(--good-soft); }
  .bad { --tone: var(--bad); --tone-soft: var(--bad-soft); }
  .unsure { --tone: var(--unsure); --tone-soft: var(--unsure-soft); }
  .plain { --tone: var(--plain); --tone-soft: var(--plain-soft); }
  .actions { display: flex; flex-wrap: wrap; gap: .5rem; margin: .5rem 0 0; align-items: center; }
`;
