// Where a signature may go: on the page, and over no other field. Points, from the lower left corner.
import type { Box, Place, Size } from "./model";

export const SMALLEST = { width: 72, height: 24 };
const USUAL = { width: 170, height: 62 };
const MARGIN = 12;

export type Direction = "left" | "right" | "up" | "down";

const AXES: Record<Direction, readonly [number, number]> = { left: [-1, 0], right: [1, 0], up: [0, 1], down: [0, -1] };

export function meet(one: Box, other: Box): boolean {
  return Math.min(one[2], other[2]) - Math.max(one[0], other[0]) > 0 && Math.min(one[3], other[3]) - Math.max(one[1], other[1]) > 0;
}

/** The box of this size nearest to here that lies on the page. */
export function within(box: Box, page: Size): Box {
  const width = Math.min(box[2] - box[0], page.width);
  const height = Math.min(box[3] - box[1], page.height);
  const left = Math.min(Math.max(box[0], 0), page.width - width);
  const bottom = Math.min(Math.max(box[1], 0), page.height - height);
  return [left, bottom, left + width, bottom + height];
}

export function middle(one: number, other: number): number {
  return (one + other) / 2;
}

export function isFree(box: Box, taken: readonly Box[]): boolean {
  return !taken.some((other) => meet(box, other));
}

/** One step; over a field in the way to its far side. Null where there is no room in that direction. */
export function moved(box: Box, direction: Direction, step: number, page: Size, taken: readonly Box[]): Box | null {
  const [x, y] = AXES[direction];
  let next = within([box[0] + x * step, box[1] + y * step, box[2] + x * step, box[3] + y * step], page);
  for (let tries = 0; tries <= taken.length; tries++) {
    if (next[0] === box[0] && next[1] === box[1]) return null;
    const obstacle = taken.find((other) => meet(next, other));
    if (!obstacle) return next;
    const [width, height] = [box[2] - box[0], box[3] - box[1]];
    const left = x < 0 ? obstacle[0] - width : x > 0 ? obstacle[2] : next[0];
    const bottom = y < 0 ? obstacle[1] - height : y > 0 ? obstacle[3] : next[1];
    next = [left, bottom, left + width, bottom + height];
    if (left < 0 || bottom < 0 || left + width > page.width || bottom + height > page.height) return null;
  }
  return null;
}

/** Larger or smaller, the upper left corner staying. Null where that is not possible. */
export function sized(box: Box, direction: Direction, step: number, page: Size, taken: readonly Box[]): Box | null {
  const [x, y] = AXES[direction];
  const next: Box = [box[0], box[1] + y * step, box[2] + x * step, box[3]];
  const fits = next[2] - next[0] >= SMALLEST.width && next[3] - next[1] >= SMALLEST.height;
  return fits && next[2] <= page.width && next[1] >= 0 && isFree(next, taken) ? next : null;
}

/** A free place on this page, from the lower right, where signatures usually stand; null on a page that is full. */
export function firstFree(page: Size, taken: readonly Box[], size: Size = USUAL): Box | null {
  const width = Math.min(size.width, page.width - 2 * MARGIN);
  const height = Math.min(size.height, page.height - 2 * MARGIN);
  for (let bottom = page.height * 0.18; bottom + height <= page.height; bottom += MARGIN) {
    for (let left = page.width - width - page.width * 0.1; left >= 0; left -= MARGIN) {
      const box: Box = [left, bottom, left + width, bottom + height];
      if (isFree(box, taken)) return box;
    }
  }
  return null;
}

export function takenOn(page: number, fields: readonly Place[]): Box[] {
  return fields.filter((one) => one.page === page).map((one) => one.box);
}

export function rounded(place: Place): Place {
  const [left, bottom, right, top] = place.box.map((side) => Math.round(side * 100) / 100) as unknown as Box;
  return { page: place.page, box: [left, bottom, right, top] };
}
