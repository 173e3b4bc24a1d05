/** A part of a partition that another system's table, kept inside the partition, names. */
export interface Slice {
  /** As that system names it: "a", "0". */
  readonly name: string;
  readonly typeName: string;
  /** Bytes from the start of the partition; not checked against its size, and negative where it lies before it. */
  readonly start: number;
  /** Bytes. */
  readonly size: number;
  /** The table says that this one is the root filesystem. */
  readonly isRoot: boolean;
}
