/** What the readers of partition tables have in common: a partition, whatever table names it. */

export interface Partition {
  /** As Linux numbers it, from 1. */
  readonly number: number;
  readonly active: boolean;
  /** "Linux"; the number or GUID of a type without a well-known name. */
  readonly typeName: string;
  /** Bytes from the start of the disk; not checked against its size. */
  readonly start: number;
  /** Bytes. */
  readonly size: number;
  readonly uuid: string | null;
  readonly label: string | null;
}

export interface PartitionTable {
  readonly partitions: readonly Partition[];
  readonly notes: readonly string[];
}
