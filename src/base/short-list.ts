/**
 * Lists that mostly hold one thing. The first `push` into an empty array makes room for 17: a config of some hundred
 * entries has thousands of such lists, and each new page of memory costs a start its time.
 */

/** The list with one more at its end; a list that was not empty is changed, and given back. */
export function withOneMore<T>(list: T[], item: T): T[] {
  if (list.length === 0) return [item];
  list.push(item);
  return list;
}
