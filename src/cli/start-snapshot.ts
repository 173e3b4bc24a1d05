/**
 * What the single executable is made from. The build runs this file twice: once to keep the code of those parts of the
 * program that are not in the start-up snapshot (see `scripts/parts.ts`), and once to make the snapshot, a heap in which
 * the modules of a start from disk are loaded and their functions compiled.
 *
 * Functions are compiled when they first run, and that is most of what our own code costs in a process that runs each
 * once. So the build walks the way of a start from disk on a small image, and that of an installation whose files are
 * in the cache, without the parts that start programs, lock or answer.
 */
import * as v8 from "node:v8";
import { allowedCalls, MISSING_CALLS } from "../base/allowed-calls.ts";
import { seccompProgram } from "../base/seccomp.ts";
import { openDisk } from "../disk/open-disk.ts";
import { readVolumes } from "../disk/volumes.ts";
import { findBoot, placesOf } from "../pipeline/find-boot.ts";
import { formatAnswer } from "../toolstack/format.ts";
import { main } from "./main.ts";
import { readPygrubOptions } from "./pygrub-options.ts";
import { warmUpGrub2 } from "./warm-up-grub2.ts";
// Not called here, but part of every start from disk: they are loaded into the snapshot.
import "./boot.ts";
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

if (v8.startupSnapshot.isBuildingSnapshot()) {
  warmUpDisk(given("GUESTBOOT_WARM_UP_IMAGE"));
  warmUpGrub2();
  seccompProgram(allowedCalls(process.pid, false), MISSING_CALLS);
  checkLoaded();
  v8.startupSnapshot.setDeserializeMainFunction(() => void main());
} else {
  const [folder, catalog] = [given("GUESTBOOT_WARM_UP_FOLDER"), given("GUESTBOOT_WARM_UP_CATALOG")];
  void import("./warm-up-installation.ts").then(({ warmUpInstallation }) => warmUpInstallation(folder, catalog));
}
