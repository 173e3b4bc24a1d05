/**
 * What a real Debian mirror has beside an installer's files: the list of their digests, and the suite's `InRelease` that
 * vouches for it, signed. So a measured start walks the whole chain of trust.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { MIRROR_PATHS } from "../fixtures/debian-installer.ts";
import type { Gpg } from "../test/trust/gpg.ts";

const SUITE = "dists/bookworm/";
const IMAGES = `${SUITE}main/installer-amd64/current/images/`;

/** Lists the kernel and the initrd of the mirror at `root`, and signs that with `key`. */
export function signMirror(root: string, gpg: Gpg, key: string): void {
  const line = (file: string) => `${hexOfFile(path.join(root, file))}  ./${file.slice(IMAGES.length)}\n`;
  const list = Object.values(MIRROR_PATHS).map(line).join("");
  fs.writeFileSync(path.join(root, IMAGES, "SHA256SUMS"), list);
  const hex = createHash("sha256").update(list).digest("hex");
  const release = `Origin: Debian
Label: Debian
Suite: oldstable
Codename: bookworm
Architectures: amd64
Components: main
SHA256:
 ${hex} ${list.length} ${IMAGES.slice(SUITE.length)}SHA256SUMS
`;
  fs.writeFileSync(path.join(root, SUITE, "InRelease"), gpg.clearsign(release, [key]));
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
