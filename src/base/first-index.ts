/**
 * Binary search.
 */

/**
 * The first index of `0 … count - 1` for which the claim holds, or `count` where it holds for none. It must hold for all
 * that follow one for which it holds.
 */
export function firstIndex(count: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
