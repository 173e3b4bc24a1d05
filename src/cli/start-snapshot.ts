/**
 * What the single executable is made from: a start-up snapshot. The build runs this file once and keeps the heap; the
 * program starts from it, with the catalog read, the modules of a start loaded and their functions compiled.
 *
 * Functions are compiled when they first run, and that is most of what our own code costs in a process that runs each
 * once. So the build walks the way of a start from disk on a small image, and that of an installation whose files are
 * in the cache, without the parts that start programs, lock or answer.
 */
import * as fs from "node:fs";
import * as v8 from "node:v8";
import { openDisk } from "../disk/open-disk.ts";
import { readVolumes } from "../disk/volumes.ts";
import { keepOwnFamilies } from "../distro/whole-catalog.ts";
import { findBoot, placesOf } from "../pipeline/find-boot.ts";
import { formatAnswer } from "../toolstack/format.ts";
import { main } from "./main.ts";
import { readPygrubOptions } from "./pygrub-options.ts";
import { warmUpGrub2 } from "./warm-up-grub2.ts";
import { warmUpInstallation } from "./warm-up-installation.ts";
// Not called here, but part of every start from disk or of an installation: they are loaded into the snapshot.
import "./boot.ts";
import "./eliloader.ts";
import "./pygrub.ts";

/** @throws Error: this file is for the build only */
function given(variable: string): string {
  const value = process.env[variable];
  if (value === undefined) throw new Error(`${variable} is not set: this file is for the build only`);
  return value;
}

function warmUpDisk(path: string): void {
  readPygrubOptions(["-q", "--output-format=simple", "--output-directory=/x", "--args=a", path]);
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

/** What works no more in a program, or in a thread of it, that was started from a snapshot which has it. */
function checkLoaded(): void {
  const listed: unknown = Reflect.get(process, "moduleLoadList");
  const loaded = Array.isArray(listed) ? listed : [];
  const bad = ["NativeModule crypto", "NativeModule child_process"].find((name) => loaded.includes(name));
  if (bad !== undefined) throw new Error(`${bad} must not be loaded into the start-up snapshot`);
}

const catalog = given("GUESTBOOT_WARM_UP_CATALOG");
const files = fs
  .readdirSync(catalog)
  .filter((name) => name.endsWith(".json") && name !== "schema.json")
  .sort();
keepOwnFamilies(
  files.map((name) => ({ name: `distros/${name}`, text: fs.readFileSync(`${catalog}/${name}`, "utf8") })),
);
warmUpDisk(given("GUESTBOOT_WARM_UP_IMAGE"));
warmUpGrub2();
// The build waits until there is nothing left to do.
void warmUpInstallation(given("GUESTBOOT_WARM_UP_FOLDER")).then(checkLoaded);
v8.startupSnapshot.setDeserializeMainFunction(() => void main());
