/**
 * What a real Debian mirror has beside an installer's files: the list of their digests, and the suite's `InRelease` that
 * vouches for it, signed. So a measured start walks the whole chain of trust.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { MIRROR_PATHS } from "../fixtures/debian-installer.ts";
import { digestList, RELEASE_PATHS, releaseOf } from "../fixtures/debian-release.ts";
import type { Gpg } from "../test/trust/gpg.ts";

/** Lists the kernel and the initrd of the mirror at `root`, and signs that with `key`. */
export function signMirror(root: string, gpg: Gpg, key: string): void {
  const hexOf = (file: string) => hexOfFile(path.join(root, file));
  const list = digestList({ kernel: hexOf(MIRROR_PATHS.kernel), initrd: hexOf(MIRROR_PATHS.initrd) });
  fs.writeFileSync(path.join(root, RELEASE_PATHS.sums), list);
  const release = releaseOf(list, createHash("sha256").update(list).digest("hex"));
  fs.writeFileSync(path.join(root, RELEASE_PATHS.inRelease), gpg.clearsign(release, [key]));
}

function hexOfFile(file: string): string {
  const hash = createHash("sha256");
  const fd = fs.openSync(file, "r");
  try {
    const buffer = Buffer.alloc(1 << 20);
    for (let length; (length = fs.readSync(fd, buffer)) > 0;) hash.update(buffer.subarray(0, length));
  } finally {
    fs.closeSync(fd);
  }
  return hash.digest("hex");
}
