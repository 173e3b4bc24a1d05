/** For the test that plays an attacker: in its program alone an index of a repository's is code of theirs. */
import { memorySource } from "../base/byte-source.ts";

/** Set by the build of the confinement's tests, and nowhere else true. */
declare const GUESTBOOT_PLANTED_BUG: boolean | undefined;

/** The index as it is, everywhere but there. */
export async function poisoned(index: Promise<string | null>): Promise<string | null> {
  const text = await index;
  if (typeof GUESTBOOT_PLANTED_BUG === "boolean" && GUESTBOOT_PLANTED_BUG && text !== null) {
    const { plantBug } = await import("./planted-bug.ts");
    await plantBug()(memorySource(Buffer.from(text)));
  }
  return text;
}
