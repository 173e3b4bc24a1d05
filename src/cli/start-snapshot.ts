/**
 * What the single executable is made from: a start-up snapshot. The build runs this file once and keeps the heap; the
 * program starts from it, with the modules of a start from disk loaded and their functions compiled.
 *
 * Functions are compiled when they first run, and that is most of what our own code costs in a process that runs each
 * once. So the build walks the way of a start from disk on a small image, without the parts that open or write.
 */
import * as v8 from "node:v8";
import { openDisk } from "../disk/open-disk.ts";
import { readVolumes } from "../disk/volumes.ts";
import { findBoot, placesOf } from "../pipeline/find-boot.ts";
import { formatAnswer } from "../toolstack/format.ts";
import { main } from "./main.ts";
import { readPygrubOptions } from "./pygrub-options.ts";
// Not called here, but part of every start from disk: they are loaded into the snapshot.
import "./boot.ts";
import "./pygrub.ts";

const image = process.env["GUESTBOOT_WARM_UP_IMAGE"];
if (image === undefined) throw new Error("GUESTBOOT_WARM_UP_IMAGE names no image: this file is for the build only");
warmUp(image);
v8.startupSnapshot.setDeserializeMainFunction(() => void main());

function warmUp(path: string): void {
  readPygrubOptions(["-q", "--output-format=simple", "--output-directory=/x", "--args=a", path]);
  // Not `using`: V8 cannot yet write a compiled function that has one into a snapshot, and crashes.
  const disk = openDisk(path);
  const table = readVolumes(disk.source, { sectorSize: disk.sectorSize });
  const found = findBoot({ disk: path, vm: null, places: placesOf(table), notes: table.notes }, null);
  for (const file of [found.kernel, ...found.ramdisks]) file.read(0, file.size);
  const kernel = found.entry.kernel.path;
  for (const format of ["simple", "simple0", "sxp"] as const) {
    formatAnswer({ kernel, ramdisk: kernel, arguments: [{ text: found.entry.arguments, escaped: false }] }, format);
  }
  disk[Symbol.dispose]();
}
