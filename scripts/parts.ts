/**
 * The program in parts. What a start from disk runs is in the executable's start-up snapshot; every function and every
 * byte of source text there costs each start some time, so the rest is in parts that are assets of the executable,
 * loaded when one of their modules is first imported. Each module is in one part only: a later part asks the earlier
 * ones for theirs.
 */
import * as fs from "node:fs";
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
  // What a start of ours needs to know what a VM's record asks for; a disk's own start reads none.
  { name: "records", entries: ["toolstack/choose-store.ts", "base/lock.ts"] },
  {
    name: "installation",
    entries: [...modulesIn("cli", ["eliloader", "install-vm", "progress"]), "repository/http.ts"],
  },
  {
    name: "menu",
    entries: modulesIn("cli", ["menu/run-menu", "list-entries", "help"]),
  },
  {
    name: "commands",
    entries: [
      ...modulesIn("cli", ["resolve", "fetch", "entries", "ls", "cat", "inspect", "layouts", "cache"]),
      ...modulesIn("cli", ["prestage", "vm", "host", "doctor", "read-answers"]),
      ...modulesIn("repository", ["mirrors", "nfs", "ftp", "ca-file", "proxy", "local-kind", "folder", "zip", "iso"]),
      ...modulesIn("repository", ["nfs-mount", "nfs-user"]),
      ...modulesIn("pipeline", ["medium-boot", "patched-installer", "overlay-zip", "patch-ramdisk"]),
      ...modulesIn("initrd", ["ext2/write-overlay", "fixup-map"]),
      ...modulesIn("kernel", ["decompress", "kernel-image"]),
      "toolstack/xapi/xapi-store.ts",
    ],
  },
];

/** The packages that a start from disk runs code of. */
const SNAPSHOT_PACKAGES = /\/node_modules\/ini\//;

/**
 * A module that is imported by `import()` alone and is no part's entry gets into the part of its importer, and all that
 * it imports with it.
 * @param modules of the snapshot, their absolute paths
 * @throws Error for one of a package that no start from disk needs
 */
export function checkSnapshotModules(modules: readonly string[]): void {
  const stray = modules.find((module) => module.includes("/node_modules/") && !SNAPSHOT_PACKAGES.test(module));
  if (stray !== undefined) throw new Error(`${stray} would be in the start-up snapshot: PARTS lacks what imports it`);
}

/** Which part has a module (its absolute path). */
export type Owners = Map<string, number>;
/** What later parts want of a module (its absolute path). */
export type Wanted = (module: string) => readonly string[];

const SOURCE = /\.ts$/;
/** `import * as fs from "node:fs"`, as the formatter writes it. */
const WHOLE_BUILTIN = /^import \* as (\w+) from ("node:[\w/]+");$/gm;

/**
 * The runtime's own modules as they are. A bundler makes a copy of each for each `import * as`, a function for each of
 * its names: two thousand of them in the snapshot, and some milliseconds of a command that loads another part.
 */
export const builtinsAsTheyAre: Plugin = {
  name: "the runtime's modules as they are",
  setup(bundle) {
    bundle.onLoad({ filter: SOURCE, namespace: "file" }, ({ path: file }) => ({
      contents: fs.readFileSync(file, "utf8").replaceAll(WHOLE_BUILTIN, "import $1 = require($2);"),
      loader: "ts",
    }));
  },
};

/**
 * Cuts a bundle at the borders of its part.
 * @param owners what earlier parts have
 * @param names that this part, or one behind it, wants of an earlier part's module
 * @param wanted is told of each module of an earlier part that this one imports
 */
export function partBorders(
  src: string,
  own: number,
  owners: Owners,
  names: Wanted,
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
          return { path: target, namespace: kind === "import-statement" ? "earlier" : "earlier, whole" };
        }
        return kind === "dynamic-import" && later.has(target) ? { path: target, namespace: "later" } : undefined;
      });
      const earlier = (target: string): string => {
        const owner = owners.get(target) ?? 0;
        return `${partOf(PARTS[owner]?.name ?? "", path.relative(src, target))}${owner === 0 ? "()" : ""}`;
      };
      bundle.onLoad({ filter: /.*/, namespace: "earlier, whole" }, ({ path: target }) => {
        return { contents: `module.exports = ${earlier(target)};`, loader: "js" };
      });
      bundle.onLoad({ filter: /.*/, namespace: "earlier" }, ({ path: target }) => {
        // By their names: a bundler copies a CommonJS module whose names it cannot know for each import of it.
        const values = names(target).map((name) => `export const ${name} = own.${name};`);
        return { contents: [`const own = ${earlier(target)};`, ...values].join("\n"), loader: "js" };
      });
      bundle.onLoad({ filter: /.*/, namespace: "later" }, ({ path: target }) => {
        const own = partOf(later.get(target)?.name ?? "", path.relative(src, target));
        return { contents: `module.exports = ${own};`, loader: "js" };
      });
    },
  };
}

const partOf = (part: string, module: string) =>
  `require("program-parts").load(${JSON.stringify(assetOfPart(part))})[${JSON.stringify(module)}]`;

/** What a part begins with: its entries, and what later parts want of it, by their paths below `src/`. */
export function entryOfPart(src: string, own: number, shared: Iterable<string>, wanted: Wanted): string {
  const entries = PARTS[own]?.entries ?? [];
  const others = [...shared].map((module) => path.relative(src, module));
  const names = own === 0 ? others : [...new Set([...entries, ...others])];
  if (own > 0) {
    const getters = names.map((name) => `get ${JSON.stringify(name)}() { return require("./${name}"); }`);
    return `module.exports = { ${getters.join(", ")} };`;
  }
  // Not by require(): modules that are imported in both ways are wrapped, each in a function. And each is made when it
  // is asked for: a start from disk asks for none.
  const moduleOf = (name: string, index: number) => {
    const values = wanted(path.join(src, name)).map((value) => `${value}: m${index}.${value}`);
    return `${JSON.stringify(name)}: () => ({ ${values.join(", ")} })`;
  };
  return [
    ...names.map((name, index) => `import * as m${index} from "./${name}";`),
    `import { own } from "program-parts";`,
    `Object.assign(own, { ${names.map(moduleOf).join(",\n")} });`,
    ...entries.map((entry) => `require("./${entry}");`),
  ].join("\n");
}

/** The name of a part's asset, without the `.cjs` of its text and the `.code` of what was compiled of it. */
export const assetOfPart = (name: string): string => `parts/${name}`;
