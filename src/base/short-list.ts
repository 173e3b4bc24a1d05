/**
 * Lists that mostly hold one thing. The first `push` into an empty array makes room for 17: a config of some hundred
 * entries has thousands of such lists, and each new page of memory costs a start its time.
 */

/** The list with one more at its end: it is changed, and given back. @param list null where there is none yet */
export function withOneMore<T>(list: T[] | null, item: T): T[] {
  if (list === null) return [item];
  list.push(item);
  return list;
}
