// The styles of <kyso-sign>, of a document in it, and of its pages.
import { css } from "lit";

export const boxStyle = css`
  .box { border: 1px solid var(--tone); border-left-width: .5rem; border-radius: .5rem; background: var(--tone-soft); padding: .75rem 1rem; margin: 1rem 0; }
  .box p { margin: .25rem 0; }
  .box b { color: var(--tone); display: inline-block; }
  .box h3 { color: var(--tone); }
  .box ul { margin: .25rem 0; padding-left: 1.4rem; }
`;

export const signStyle = css`
  .two { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0 1.5rem; }
  @media (min-width: 60rem) { .two { grid-template-columns: minmax(0, 19rem) minmax(0, 1fr); } .side { position: sticky; top: .5rem; align-self: start; } }
  .lead { font-size: 1.2rem; line-height: 1.3; margin: .25rem 0; font-weight: 600; }
  #title { margin-bottom: .25rem; scroll-margin-top: .5rem; }
  #title:focus-visible { outline-offset: .3rem; }
  .chip { display: inline-block; margin: .15rem 0; padding: .05rem .7rem; border: 1px solid var(--tone); border-radius: 1rem; color: var(--tone);
    background: var(--tone-soft); font-weight: 600; }
  .chip::first-letter, .box b::first-letter { text-transform: uppercase; }
  .neighbours { display: inline-flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin-left: auto; }
  .other { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr)); gap: .75rem; margin: 1rem 0; align-items: start; }
  .other details { border: 1px solid var(--line); border-radius: .5rem; padding: 0 1rem; }
  .unread, .about .unread { color: var(--unsure); font-weight: 600; }
  .list { list-style: none; margin: 0; padding: 0; }
  .list button { display: block; width: 100%; text-align: left; background: var(--paper); color: var(--ink); border: 1px solid var(--line);
    border-left: .4rem solid var(--tone, var(--faint)); border-radius: .5rem; padding: .5rem .8rem; margin: .4rem 0; font-weight: 400; }
  .list button[aria-current] { background: var(--soft); border-color: var(--link); border-left-color: var(--tone, var(--link)); }
  .list b { display: block; font-weight: 600; }
  .list .state { color: var(--tone, var(--faint)); font-size: .925rem; }
  .many { max-height: 24rem; overflow: auto; }
  .panel { border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; margin: 1rem 0; }
  .panel h2 { margin-top: 0; }
  fieldset { border: 0; margin: 0; padding: 0; min-width: 0; }
  legend { float: left; width: 100%; font-size: 1.15rem; font-weight: 700; padding: 0; margin-bottom: .5rem; }
  legend + * { clear: both; }
  .choice { display: grid; grid-template-columns: auto 1fr; gap: .1rem .7rem; padding: .5rem 0; align-items: start; }
  .choice input { min-height: 0; width: 1.4rem; height: 1.4rem; margin: .1rem 0; accent-color: var(--link); }
  .choice small { display: block; color: var(--faint); font-size: .925rem; }
  .choice .refused { color: var(--bad); }
  .field { display: grid; gap: .3rem; max-width: 34rem; margin: .75rem 0; }
  .field label { font-weight: 600; }
  .field > div { margin-top: .3rem; }
  .about { margin: .5rem 0; padding-left: 1.4rem; }
  .about small { color: var(--faint); display: block; font-size: .925rem; }
  .mono { font-family: ui-monospace, "Cascadia Mono", "Liberation Mono", Menlo, monospace; }
  summary { cursor: pointer; padding: .6rem 0; font-weight: 600; color: var(--link); min-height: 2.75rem; }
`;

export const documentStyle = css`
  :host { display: block; }
  .bar { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin: .5rem 0; }
  .bar .help { flex-basis: 100%; }
  .pager { display: inline-flex; gap: .4rem; align-items: center; }
  .pager input { width: 5rem; }
  .view { border: 1px solid var(--line); border-radius: .5rem; background: var(--soft); padding: .5rem; max-height: min(80vh, 62rem); overflow: auto; }
  .tree, .tree ul { list-style: none; margin: 0; padding: 0 0 0 .9rem; border-left: 1px solid var(--line); }
  .tree { padding: .5rem .75rem; border: 0; background: var(--paper); border-radius: .4rem; }
  .tree .name { color: var(--faint); font-size: .925rem; }
`;

export const pagesStyle = css`
  :host { display: block; position: relative; }
  figure { margin: 0 auto .75rem; max-width: 60rem; }
  figure.zoom-3 { width: 150%; max-width: 90rem; }
  figure.zoom-4 { width: 200%; max-width: 120rem; }
  svg { display: block; width: 100%; height: auto; border: 1px solid var(--line); touch-action: pan-x pan-y; }
  svg.placing { cursor: crosshair; }
  .paper { fill: #fff; }
  .mine { cursor: move; outline: none; }
  .mine.fixed { cursor: default; }
  .mine rect { fill: #eaf1fd; fill-opacity: .85; stroke: #0b57d0; stroke-width: 2px; vector-effect: non-scaling-stroke; }
  .mine:focus-visible rect { stroke-width: 5px; }
  .mine rect.line { fill: transparent; stroke-dasharray: 6 4; }
  .mine.over rect { fill: #fbe9e7; stroke: #a8201a; }
  .mine text { fill: #0a3d91; font-weight: 600; pointer-events: none; }
  .taken { fill: #a8201a; fill-opacity: .1; stroke: #a8201a; stroke-dasharray: 5 4; vector-effect: non-scaling-stroke; }
  figcaption { text-align: center; color: var(--faint); font-size: .925rem; }
  .absent { text-align: center; margin: .5rem 0; }
`;
