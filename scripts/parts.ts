/**
 * The program in parts. What a start from disk runs is in the executable's start-up snapshot; every function and every
 * byte of source text there costs each start some time, so the rest is in parts that are assets of the executable,
 * loaded when one of their modules is first imported. Each module is in one part only: a later part asks the earlier
 * ones for theirs.
 */
import * as path from "node:path";
import type { Plugin } from "esbuild";

export interface Part {
  readonly name: string;
  /** Modules that other parts import by `import()`, below `src/`; of the snapshot, the module that begins. */
  readonly entries: readonly string[];
}

const modulesIn = (folder: string, names: readonly string[]) => names.map((name) => `${folder}/${name}.ts`);

/** The snapshot's own first; a later part may use the modules of those before it. */
export const PARTS: readonly [Part, ...Part[]] = [
  { name: "snapshot", entries: ["cli/start-snapshot.ts"] },
  // Before the installation, which may patch too: a patch needs nothing else of it.
  { name: "patch", entries: ["cli/patch.ts", "pipeline/newc-members.ts"] },
  {
    name: "installation",
    entries: [
      ...modulesIn("cli", ["eliloader", "install-vm", "progress"]),
      "repository/http.ts",
      "base/lock.ts",
      "toolstack/choose-store.ts",
    ],
  },
  {
    name: "menu",
    entries: modulesIn("cli", ["menu/run-menu", "list-entries", "help"]),
  },
  {
    name: "commands",
    entries: [
      ...modulesIn("cli", ["resolve", "fetch", "entries", "ls", "cat", "inspect", "layouts", "cache"]),
      ...modulesIn("cli", ["prestage", "vm", "read-answers"]),
      ...modulesIn("repository", ["mirrors", "nfs", "ftp", "ca-file", "proxy", "local-kind", "folder", "zip", "iso"]),
      ...modulesIn("repository", ["nfs-mount", "nfs-user"]),
      ...modulesIn("pipeline", ["medium-boot", "patched-installer", "overlay-zip", "patch-ramdisk"]),
      ...modulesIn("initrd", ["ext2/write-overlay", "fixup-map"]),
      ...modulesIn("kernel", ["decompress", "kernel-image"]),
      "toolstack/xapi/xapi-store.ts",
    ],
  },
];

/** Which part has a module (its absolute path). */
export type Owners = Map<string, number>;

/**
 * Cuts a bundle at the borders of its part.
 * @param owners what earlier parts have
 * @param wanted is told of each module of an earlier part that this one imports
 */
export function partBorders(
  src: string,
  own: number,
  owners: Owners,
  wanted: (module: string, owner: number) => void,
): Plugin {
  const later = new Map(
    PARTS.flatMap((part, index) =>
      index > own ? part.entries.map((entry) => [path.join(src, entry), part] as const) : [],
    ),
  );
  return {
    name: "part borders",
    setup(bundle) {
      bundle.onResolve({ filter: /^\./ }, ({ path: name, resolveDir, kind }) => {
        const target = path.join(resolveDir, name);
        const owner = owners.get(target);
        if (owner !== undefined && owner < own) {
          wanted(target, owner);
          return { path: target, namespace: "earlier" };
        }
        return kind === "dynamic-import" && later.has(target) ? { path: target, namespace: "later" } : undefined;
      });
      bundle.onLoad({ filter: /.*/, namespace: "earlier" }, ({ path: target }) => {
        const part = PARTS[owners.get(target) ?? 0]?.name;
        return { contents: importFrom(part ?? "", path.relative(src, target)), loader: "js" };
      });
      bundle.onLoad({ filter: /.*/, namespace: "later" }, ({ path: target }) => {
        return { contents: importFrom(later.get(target)?.name ?? "", path.relative(src, target)), loader: "js" };
      });
    },
  };
}

function importFrom(part: string, module: string): string {
  return `module.exports = require("program-parts").load(${JSON.stringify(assetOfPart(part))})[${JSON.stringify(module)}];`;
}

/** What a part begins with: its entries, and what later parts want of it, by their paths below `src/`. */
export function entryOfPart(src: string, own: number, shared: Iterable<string>): string {
  const entries = PARTS[own]?.entries ?? [];
  const others = [...shared].map((module) => path.relative(src, module));
  const names = own === 0 ? others : [...new Set([...entries, ...others])];
  if (own > 0) {
    const getters = names.map((name) => `get ${JSON.stringify(name)}() { return require("./${name}"); }`);
    return `module.exports = { ${getters.join(", ")} };`;
  }
  // Not by require(): modules that are imported in both ways are wrapped, each in a function.
  return [
    ...names.map((name, index) => `import * as m${index} from "./${name}";`),
    `import { own } from "program-parts";`,
    `Object.assign(own, { ${names.map((name, index) => `${JSON.stringify(name)}: m${index}`).join(", ")} });`,
    ...entries.map((entry) => `require("./${entry}");`),
  ].join("\n");
}

/** The name of a part's asset, without the `.cjs` of its text and the `.code` of what was compiled of it. */
export const assetOfPart = (name: string): string => `parts/${name}`;
