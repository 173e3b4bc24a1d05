/**
 * Folders of an overlay where the initrd has symbolic links of their names. A kernel that unpacks such a folder's record
 * puts an empty folder in the link's place, and where `lib` was a link to `usr/lib` nothing starts any more. Without
 * that record the overlay's files go through the link, to where they are meant.
 *
 * To know what an initrd holds it must be expanded, which takes longer than all the rest: it is looked into only for
 * names that distributions make links of.
 */
import type { ByteSource } from "../base/byte-source.ts";
import { readInitrd, type InitrdLimits } from "./members.ts";
import type { Overlay } from "./overlay.ts";

/** A merged /usr (systemd's file-hierarchy(7)), Fedora 42's merged sbin, and what moved to /run. */
const USUAL_LINKS: ReadonlySet<string> = new Set([
  ...["bin", "sbin", "lib", "lib32", "lib64", "libx32"],
  ...["usr/sbin", "usr/lib64", "usr/tmp", "var/run", "var/lock"],
]);

/**
 * The paths of the overlay's folders that are symbolic links in the initrd, once all of it is unpacked.
 * @throws GuestbootError as `readInitrd`
 */
export async function linksInTheWay(
  initrd: ByteSource,
  overlay: Overlay,
  limits: InitrdLimits,
): Promise<ReadonlySet<string>> {
  const links = new Set<string>();
  const folders = new Set(overlay.filter(({ kind }) => kind === "directory").map(({ path }) => path));
  if (folders.isDisjointFrom(USUAL_LINKS)) return links;
  for await (const event of readInitrd(initrd, limits)) {
    if (event.what !== "record" || !folders.has(event.record.path)) continue;
    if (event.record.kind === "symlink") links.add(event.record.path);
    else links.delete(event.record.path);
  }
  return links;
}
