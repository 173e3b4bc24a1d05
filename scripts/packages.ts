/**
 * Packages that most starts never need, kept out of the start-up snapshot: every function in it costs each start some
 * time, and these have thousands. Each is an asset of the executable, which is compiled when it is first asked for.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { build, type Plugin } from "esbuild";

/** The parts of each package that are imported: together in one asset, since they share modules. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  undici: [
    "undici/lib/api/api-request.js",
    "undici/lib/api/api-connect.js",
    "undici/lib/dispatcher/agent.js",
    "undici/lib/dispatcher/proxy-agent.js",
    "undici/lib/dispatcher/pool.js",
  ],
  openpgp: ["openpgp"],
  "basic-ftp": ["basic-ftp"],
  yauzl: ["yauzl"],
  pako: ["pako"],
};

const assetOf = (name: string) => `packages/${name}.cjs`;

/** Builds the assets into `folder`. @returns their files by the names that the executable knows them by */
export async function buildPackages(root: string, folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const [name, parts] of Object.entries(PACKAGES)) {
    const entry = path.join(folder, `${name}-parts.cjs`);
    const getters = parts.map((part) => `get ${JSON.stringify(part)}() { return require(${JSON.stringify(part)}); }`);
    fs.writeFileSync(entry, `module.exports = { ${getters.join(", ")} };\n`);
    const outfile = path.join(folder, `${name}.cjs`);
    await build({
      entryPoints: [entry],
      outfile,
      bundle: true,
      platform: "node",
      format: "cjs",
      target: "node26",
      nodePaths: [path.join(root, "node_modules")],
      minifySyntax: true,
      minifyWhitespace: true,
      legalComments: "none",
      logLevel: "warning",
    });
    files[assetOf(name)] = outfile;
  }
  return files;
}

/** In the bundle, an import of such a part becomes a look into its asset. */
export const packagesAsAssets: Plugin = {
  name: "packages as assets",
  setup(bundle) {
    const packageOf = new Map(Object.entries(PACKAGES).flatMap(([name, parts]) => parts.map((part) => [part, name])));
    bundle.onResolve({ filter: /^(?:undici|openpgp|basic-ftp|yauzl|pako)(?:\/|$)/ }, ({ path: part }) => {
      if (!packageOf.has(part)) throw new Error(`${part} is in no asset: see PACKAGES in scripts/packages.ts`);
      return { path: part, namespace: "part" };
    });
    bundle.onResolve({ filter: /^package-assets$/ }, ({ path: name }) => ({ path: name, namespace: "loader" }));
    bundle.onLoad({ filter: /.*/, namespace: "part" }, ({ path: part }) => {
      const asset = assetOf(packageOf.get(part) ?? "");
      const contents = `module.exports = require("package-assets")(${JSON.stringify(asset)})[${JSON.stringify(part)}];`;
      return { contents, loader: "js" };
    });
    bundle.onLoad({ filter: /.*/, namespace: "loader" }, () => ({ contents: LOADER, loader: "js" }));
  },
};

/** Runs in the program. Each asset is compiled once; of what it requires, all is the runtime's own. */
const LOADER = `
const loaded = new Map();
const builtin = (id) => {
  const found = process.getBuiltinModule(id);
  if (found === undefined) throw new Error("no module " + id + " in the runtime");
  return found;
};
module.exports = (asset) => {
  const known = loaded.get(asset);
  if (known !== undefined) return known.exports;
  const code = builtin("node:sea").getAsset(asset, "utf8");
  const parameters = ["exports", "require", "module", "__filename", "__dirname"];
  const run = builtin("node:vm").compileFunction(code, parameters, { filename: asset });
  const made = { exports: {} };
  loaded.set(asset, made);
  run(made.exports, builtin, made, asset, "/");
  return made.exports;
};
`;
