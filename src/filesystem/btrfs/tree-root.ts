/** Where a tree of btrfs begins. */
export interface TreeRoot {
  /** For errors: "the root tree". */
  readonly what: string;
  /** The logical address of its uppermost block, in bytes. */
  readonly logical: number;
  /** How many levels of pointers there are above the items. */
  readonly level: number;
  /** In which generation that block was written. */
  readonly generation: number;
}
