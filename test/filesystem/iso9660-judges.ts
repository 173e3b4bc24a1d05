/** Other readers of ISO 9660, and a folder to master images from. */
import * as fs from "node:fs";
import * as path from "node:path";
import { noise } from "../base/seeded.ts";
import { call } from "./call.ts";
import { manifestOfFolder, type Manifest } from "./manifest.ts";

/** Which of the trees of an image xorriso is to read. */
export type Tree = "rock-ridge" | "joliet" | "plain";

/** The whole tree as xorriso copies it out. `folder` is made and removed. */
export function treeOfXorriso(image: string, tree: Tree, folder: string): Manifest {
  const which = { "rock-ridge": ["-read_fs", "any"], joliet: ["-read_fs", "norock"], plain: [] }[tree];
  const names = ["-charset", "UTF-8", "-local_charset", "UTF-8"];
  try {
    call("xorriso", ["-osirrox", "on", ...which, ...names, "-indev", image, "-extract", "/", folder], "xorriso");
    call("chmod", ["-R", "u+rwX", folder], "coreutils");
    const manifest = manifestOfFolder(folder);
    return tree === "plain" ? asLinuxShows(manifest) : manifest;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Of plain names: lower case, no version, no trailing dot (mount option `map=normal` of iso9660). */
function asLinuxShows(manifest: Manifest): Manifest {
  const shown = (name: string) => name.replace(/\.?(?:;1)?$/, "").toLowerCase();
  return Object.fromEntries(Object.entries(manifest).map(([name, what]) => [shown(name), what]));
}

/** Every path of a tree as isoinfo lists it, sorted; `["-R"]`, `["-J"]` or none for the plain names. */
export function listedByIsoinfo(image: string, options: readonly string[]): string[] {
  const paths = call("isoinfo", [...options, "-f", "-i", image], "genisoimage").split("\n");
  return paths.filter((each) => each !== "").sort();
}

/** The names in a folder as GRUB's own driver lists them; folders end in "/". */
export function listedByGrub(image: string, folder: string): string[] {
  const said = call("grub-fstest", [image, "ls", `(loop0)${folder}`], "grub-common");
  return said.split(/\s+/).filter((each) => each !== "");
}

/** Names, sizes, depths and links that are worth a look. */
export function makeSource(root: string): void {
  const put = (name: string, content: string | Uint8Array) => {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), content);
  };
  put("install.amd/vmlinuz", noise(300_001, 1));
  put("install.amd/initrd.gz", noise(700_000, 2));
  put("isolinux/isolinux.cfg", "default install\n");
  for (const size of [0, 1, 2047, 2048, 2049, 65_536]) put(`sizes/${size}`, noise(size, size + 1));
  put("names/UPPER.TXT", "upper");
  put("names/two.dots.gz", "dots");
  put("names/with a space", "space");
  put("names/.hidden", "hidden");
  put("names/g++_12.2~rc1-3_amd64.deb", "debian");
  put("names/naïve-Grüße-日本語", "utf-8");
  for (const length of [100, 190, 200, 253, 255]) put(`names/${length}${"x".repeat(length - 3)}`, `${length}`);
  for (let index = 0; index < 300; index++) put(`many/a-file-with-a-name-of-its-own-${index}.udeb`, String(index));
  put(`deep/${Array.from({ length: 12 }, (_, level) => `level-${level}`).join("/")}/bottom`, "the bottom");
  put("deep/level-0/level-1/level-2/level-3/level-4/level-5/second/branch/of/it/bottom", "another");
  fs.mkdirSync(path.join(root, "empty"));
  fs.mkdirSync(path.join(root, "links"));
  const link = (name: string, target: string) => fs.symlinkSync(target, path.join(root, "links", name));
  link("relative", "../install.amd/vmlinuz");
  link("absolute", "/install.amd/vmlinuz");
  link("folder", "../install.amd");
  link("here", "./././relative");
  link("dangling", "nowhere/at/all");
  link("root", "/");
  link("above", "..");
  link("twice", "a//b");
  link("of-two-hundred", `${"y".repeat(99)}/${"z".repeat(100)}`);
  link("of-a-thousand", "../here/".repeat(125) + "x");
}
