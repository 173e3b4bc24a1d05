/**
 * What the build puts into the executable to load the parts of the program that are not in its start-up snapshot; see
 * `scripts/parts.ts`.
 */
declare module "program-parts" {
  /** Has the build asked for the code of all parts, of an executable that holds none yet? Where to, then. */
  export function wantsCode(): string | null;
  /** Takes the files in `folder` in hand. @returns to be called when the code of all that was loaded is to be written */
  export function keepCode(folder: string): () => void;
}
