/**
 * Is what was built older than what it was built from?
 */
import * as fs from "node:fs";
import * as path from "node:path";

/**
 * @param sources files, and folders with all that is in them, below `root`
 * @returns a source that is newer than `built`; null: none
 */
export function newerSource(root: string, built: string, sources: readonly string[]): string | null {
  const builtAt = fs.statSync(built).mtimeMs;
  const files = sources.flatMap((source) => {
    if (!fs.statSync(path.join(root, source)).isDirectory()) return [source];
    const names = fs.readdirSync(path.join(root, source), { recursive: true, encoding: "utf8" });
    return names.map((name) => path.join(source, name));
  });
  const isNewer = (file: string) => {
    const status = fs.statSync(path.join(root, file));
    return status.isFile() && status.mtimeMs > builtAt;
  };
  return files.find(isNewer) ?? null;
}
