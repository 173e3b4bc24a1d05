/**
 * Code that the build keeps. What is not in the executable's start-up snapshot (parts of the program, packages) is text
 * among its assets, and beside each text is an asset for the code that V8 compiled of it.
 *
 * V8 takes such code only in a process whose read-only heap and flags are those of the process that made it, so only
 * the finished executable can make its own: the build puts in assets that are empty but large enough, runs the
 * executable, and writes what it kept over them.
 */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Plugin } from "esbuild";

/** Before the code: its length in bytes, 0 for none, and four bytes of nothing, so that it is aligned. */
const HEADER_BYTES = 8;
/** By which an empty asset is found again in the executable; the code goes over it. */
const MARK_BYTES = 32;
/** Code takes up to three times the room of the text that it was compiled of. */
const ROOM = 4;

/** An asset that waits for its code. */
export interface Room {
  readonly asset: string;
  readonly mark: Buffer;
  readonly size: number;
}

/** Makes the asset, in `folder`. @param text the file with what is to be compiled. @returns it, and its file */
export function makeRoom(asset: string, text: string, folder: string): { readonly room: Room; readonly file: string } {
  const room = { asset, mark: randomBytes(MARK_BYTES), size: MARK_BYTES + ROOM * fs.statSync(text).size };
  const content = Buffer.alloc(HEADER_BYTES + room.size);
  room.mark.copy(content, HEADER_BYTES);
  const file = path.join(folder, fileOf(asset));
  fs.writeFileSync(file, content);
  return { room, file };
}

/** Writes into the executable what it has kept in `folder`. @throws Error for code that finds no room */
export function putCode(executable: string, rooms: readonly Room[], folder: string): void {
  const program = fs.readFileSync(executable);
  const file = fs.openSync(executable, "r+");
  try {
    for (const { asset, mark, size } of rooms) {
      const kept = path.join(folder, fileOf(asset));
      const code = fs.existsSync(kept) ? fs.readFileSync(kept) : Buffer.alloc(0);
      const at = program.indexOf(mark) - HEADER_BYTES;
      if (at < 0 || code.length > size) {
        throw new Error(`${asset}: no room for ${code.length} bytes of code; there are ${size} (see ROOM)`);
      }
      const whole = Buffer.alloc(HEADER_BYTES + size);
      whole.writeUInt32LE(code.length);
      code.copy(whole, HEADER_BYTES);
      fs.writeSync(file, whole, 0, whole.length, at);
    }
  } finally {
    fs.closeSync(file);
  }
}

const fileOf = (asset: string) => `${asset.replaceAll("/", "-")}.code`;

/** @param isInside is the module in this bundle, or handed to it when it is loaded? */
export function partsLoader(isInside: boolean): Plugin {
  return {
    name: "the loader of parts",
    setup(bundle) {
      bundle.onResolve({ filter: /^program-parts$/ }, ({ path: name }) => {
        return isInside ? { path: name, namespace: "parts" } : { path: name, external: true };
      });
      bundle.onLoad({ filter: /.*/, namespace: "parts" }, () => ({ contents: LOADER, loader: "js" }));
    },
  };
}

/**
 * The module "program-parts" in the program. What is compiled is remembered only to be kept. Were kept code that of
 * another V8, it would be refused, and compiled anew; the build, which says so in the environment, wants to know.
 */
const LOADER = `
const own = {};
const loaded = new Map([["parts/snapshot", own]]);
const scripts = new Map();
const builtin = (id) => {
  if (id === "program-parts") return parts;
  const found = process.getBuiltinModule(id);
  if (found === undefined) throw new Error("no module " + id + " in the runtime");
  return found;
};
const raw = (asset) => Buffer.from(builtin("node:sea").getRawAsset(asset + ".code"));
const codeOf = (asset) => {
  const bytes = raw(asset);
  const length = bytes.readUInt32LE(0);
  return length === 0 ? undefined : bytes.subarray(${HEADER_BYTES}, ${HEADER_BYTES} + length);
};
function load(asset) {
  const known = loaded.get(asset);
  if (known !== undefined) return known;
  const { Script } = builtin("node:vm");
  const text = "(function(exports,require,module,__filename,__dirname){" + builtin("node:sea").getAsset(asset + ".cjs", "utf8") + "\\n})";
  const script = new Script(text, { filename: asset, cachedData: codeOf(asset) });
  if (script.cachedDataRejected && keepIn() !== undefined) throw new Error("the code kept of " + asset + " is refused");
  const made = { exports: {} };
  scripts.set(asset, script);
  script.runInThisContext()(made.exports, builtin, made, asset, "/");
  loaded.set(asset, made.exports);
  return made.exports;
}
const keepIn = () => process.env.GUESTBOOT_KEEP_CODE;
function wantsCode() {
  const folder = keepIn();
  return folder !== undefined && raw("parts/installation").readUInt32LE(0) === 0 ? folder : null;
}
function keepCode(folder) {
  const { openSync, writeSync } = builtin("node:fs");
  const files = new Map();
  const fileFor = (asset) => openSync(folder + "/" + asset.replaceAll("/", "-") + ".code", "w");
  for (const asset of builtin("node:sea").getAssetKeys()) {
    if (asset.endsWith(".code")) files.set(asset.slice(0, -5), fileFor(asset.slice(0, -5)));
  }
  return () => {
    // Kept code names the flags of its process; a garbage collection that was asked for has changed them.
    builtin("node:v8").setFlagsFromString("--no-expose-gc");
    for (const [asset, script] of scripts) writeSync(files.get(asset), script.createCachedData());
  };
}
const parts = { own, load, wantsCode, keepCode };
module.exports = parts;
`;
