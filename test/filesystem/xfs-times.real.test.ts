/** When files of an XFS filesystem were changed, beside what the host's kernel says; both forms of timestamps. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openDisk } from "../../src/disk/open-disk.ts";
import { openXfs } from "../../src/filesystem/xfs/xfs-driver.ts";
import { makeXfsImage, withMounted } from "./xfs-image.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-xfs-times-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

const TIMES = { before1970: -86_400, now: 1_763_700_000, late: 2_147_483_646 };

describe.each([
  ["with seconds of 32 bits", ["-m", "bigtime=0"], TIMES],
  ["with nanoseconds of 64 bits", ["-m", "bigtime=1"], { ...TIMES, after2038: 4_102_444_800 }],
] as const)("an XFS filesystem %s", (what, options, times) => {
  it("tells when its files were changed as the kernel does", () => {
    const image = path.join(folder, `${what}.img`);
    makeXfsImage(image, 320, options);
    const said = withMounted(image, "rw", (mounted) => {
      for (const [name, time] of Object.entries(times)) {
        fs.writeFileSync(path.join(mounted, name), name);
        // As a date: Node takes a negative number for "now".
        const date = new Date(time * 1000);
        fs.utimesSync(path.join(mounted, name), date, date);
      }
      return Object.keys(times).map((name) => Math.floor(fs.statSync(path.join(mounted, name)).mtimeMs / 1000));
    });
    using disk = openDisk(image);
    const driver = openXfs(disk.source);
    expect(Object.keys(times).map((name) => driver.lookup(driver.root, name)?.mtime)).toEqual(said);
    expect(said).toEqual(Object.values(times));
  });
});
