// What is drawn over a page, in its points: SVG counts from the upper left corner, boxes from the lower left.
import { svg, type SVGTemplateResult } from "lit";
import type { Box, Size } from "./model";

const LETTERS = 10;

export function rectangle(style: string, [left, bottom, right, top]: Box, page: Size): SVGTemplateResult {
  return svg`<rect class=${style} x=${left} y=${page.height - top} width=${right - left} height=${top - bottom}></rect>`;
}

/** Lines of text in a box, cut off at its edges. */
export function lettering([left, bottom, right, top]: Box, page: Size, lines: readonly string[]): SVGTemplateResult {
  return svg`<svg x=${left} y=${page.height - top} width=${right - left} height=${top - bottom}>${lines.map(
    (line, index) => svg`<text x="5" y=${LETTERS * 1.3 * (index + 1)} font-size=${LETTERS}>${line}</text>`,
  )}</svg>`;
}
