/**
 * The menu by itself, for tests on a pseudo terminal: a folder that stands for the guest's only volume, a config from
 * a JSON file, and what was chosen to another file. As in a start from disk, the terminal is found before rights are
 * given up and the menu is shown after.
 *
 *     node … menu-driver.ts FOLDER CONFIG.json RESULT.json [-i]
 */
import * as fs from "node:fs";
import { endProcess } from "../../../src/base/end.ts";
import { asGuestbootError } from "../../../src/base/errors.ts";
import type { BootConfig, BootEntry } from "../../../src/bootconfig/boot-config.ts";
import type { GuestVolume } from "../../../src/bootconfig/guest-volume.ts";
import { menuOn, ownTerminal } from "../../../src/cli/menu/run-menu.ts";
import { openFolder } from "../../../src/filesystem/folder.ts";
import { confine } from "../../../src/pipeline/confine.ts";

const [folder = "", configFile = "", resultFile = "", option] = process.argv.slice(2);
const config = JSON.parse(fs.readFileSync(configFile, "utf8")) as BootConfig;
const result = fs.openSync(resultFile, "w");
const filesystem = openFolder(folder);
const own: GuestVolume = {
  name: "partition 1",
  number: 1,
  table: "mbr",
  partitionUuid: null,
  filesystem: () => filesystem,
};
const options = { isWanted: option === "-i" };
const terminal = ownTerminal(options);
confine({ uid: process.getuid?.() === 0 ? 65534 : null, keep: "fs.read" });
fs.writeSync(result, JSON.stringify(await chosen()));
endProcess(0);

async function chosen(): Promise<unknown> {
  if (terminal === null) return { terminal: false };
  const defaultEntry = config.entries[config.default];
  if (defaultEntry === undefined) throw new Error("the config has no default");
  const check = (entry: BootEntry) => {
    for (const file of [entry.kernel, ...entry.ramdisks]) filesystem.open(file.path);
  };
  try {
    const entry = await menuOn(terminal, options)(config, {
      surroundings: { own, volumes: [own] },
      default: defaultEntry,
      check,
    });
    return entry === null ? { chosen: null } : { chosen: { ...entry } };
  } catch (error) {
    const { code, message } = asGuestbootError(error);
    return { code, message };
  }
}
