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

const assetOf = (name: string) => `packages/${name}`;

/** Builds the texts of the assets into `folder`. @returns their files by the assets' names */
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
    bundle.onLoad({ filter: /.*/, namespace: "part" }, ({ path: part }) => {
      const asset = assetOf(packageOf.get(part) ?? "");
      const contents = `module.exports = require("program-parts").load(${JSON.stringify(asset)})[${JSON.stringify(part)}];`;
      return { contents, loader: "js" };
    });
  },
};
