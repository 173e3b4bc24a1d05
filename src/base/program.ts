/**
 * Where the program itself lies and what it brings along: the same questions answered for the single executable, the
 * bundle of the npm package, and a checkout run from its sources.
 */
import * as fs from "node:fs";
import * as path from "node:path";

/** Set by the build; absent when run from the sources. */
declare const GUESTBOOT_VERSION: string | undefined;

/** How far above the running file the package's root may lie: `src/base/` is the deepest. */
const LEVELS = 3;

/** The package's root, or null where the executable was installed alone. */
export function packageRoot(): string | null {
  // In the single executable `import.meta.dirname` is the folder of the executable.
  let folder = import.meta.dirname;
  for (let level = 0; level < LEVELS; level++) {
    if (fs.existsSync(path.join(folder, "package.json")) && fs.existsSync(path.join(folder, "distros"))) return folder;
    folder = path.dirname(folder);
  }
  return null;
}

export function version(): string {
  if (typeof GUESTBOOT_VERSION === "string") return GUESTBOOT_VERSION;
  const root = packageRoot();
  if (root === null) return "unknown";
  const description: unknown = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
  const stated = typeof description === "object" && description !== null && "version" in description;
  return stated && typeof description.version === "string" ? description.version : "unknown";
}

/** The checkout's own cache folder, or null outside a checkout (the npm package ships none). */
export function checkoutCache(): string | null {
  const root = packageRoot();
  if (root === null) return null;
  const folder = path.join(root, "cache");
  return fs.existsSync(folder) ? folder : null;
}

/** How to start ourselves again: the file to execute, and the arguments that come before the program's own. */
export function ownCommand(): { readonly file: string; readonly args: readonly string[] } {
  if (process.getBuiltinModule("node:sea").isSea()) return { file: process.execPath, args: [] };
  const [, script = ""] = process.argv;
  return { file: process.execPath, args: [...process.execArgv, script] };
}

/** The single executable, links resolved; null where Node runs the bundle or the sources, and is no loader by itself. */
export function ownExecutable(): string | null {
  return process.getBuiltinModule("node:sea").isSea() ? fs.realpathSync(process.execPath) : null;
}

/** The catalog as the build has read and checked it, JSON; null where the program was not built. */
export function builtCatalog(): string | null {
  const sea = process.getBuiltinModule("node:sea");
  return sea.isSea() ? sea.getAsset("catalog.json", "utf8") : null;
}

/** The catalog's files, name and text, from the package's `distros/`. */
export function catalogFiles(): { name: string; text: string }[] {
  const root = packageRoot();
  if (root === null) return [];
  const folder = path.join(root, "distros");
  return fs
    .readdirSync(folder)
    .filter((name) => name.endsWith(".json") && name !== "schema.json")
    .sort()
    .map((name) => ({ name: `distros/${name}`, text: fs.readFileSync(path.join(folder, name), "utf8") }));
}
