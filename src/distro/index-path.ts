/**
 * A path that a repository's own index file names. It is fetched with the repository's credentials and ends up in
 * dom0, so it may not lead anywhere but below the repository.
 */
import { GuestbootError } from "../base/errors.ts";

const LONGEST_PATH = 1024;

/**
 * The path without needless `./` and doubled slashes.
 * @param index the index file, for the error
 * @throws INVALID_SOURCE for a path that is absolute, climbs out, or names another host
 */
export function indexPath(path: string, index: string): string {
  const why = reasonAgainst(path);
  if (why !== null) {
    const shown = JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path);
    throw new GuestbootError("INVALID_SOURCE", `${index} names ${shown}, which ${why}`, {
      hint: "this repository is damaged or hostile: use another mirror",
      args: [index],
    });
  }
  return path
    .split("/")
    .filter((segment) => segment !== "" && segment !== ".")
    .join("/");
}

function reasonAgainst(path: string): string | null {
  if (path.length > LONGEST_PATH) return `is longer than ${LONGEST_PATH} characters`;
  if (!path.isWellFormed() || /[\0-\x1f\x7f-\x9f\\]/.test(path)) return "holds a character that no path has";
  if (path.startsWith("//") || /^[a-z][a-z0-9+.-]*:/i.test(path)) return "leads to another host";
  if (path.startsWith("/")) return "is absolute";
  // Servers undo the escapes of a URL, so an escaped one climbs as well.
  if (path.split("/").some((segment) => /^(?:\.|%2e){2}$/i.test(segment))) return "leads out of the repository";
  if (!/[^./]/.test(path)) return "names no file";
  return null;
}
