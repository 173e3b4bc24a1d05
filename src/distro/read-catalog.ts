/**
 * The whole catalog: the families that the program brings along, with what the files in `/etc/guestboot/distros.d/`
 * add to them or put in their place.
 *
 * Such a file is a family's file of which everything but `family` may be missing: releases, layouts and installers
 * stand beside those of the family, or in the place of one of the same name; any other field replaces the family's.
 * A family that the program does not know must be there whole.
 */
import * as fs from "node:fs";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { familyFrom, parseFamily, parseJson, type Catalog, type Family } from "./catalog.ts";

/** A file of the catalog: its name for errors, and its text. */
export interface CatalogFile {
  readonly name: string;
  readonly text: string;
}

export const ADMIN_FOLDER = "/etc/guestboot/distros.d";

const MOST_FILES = 100;
const LARGEST_FILE = 1024 * 1024;

/**
 * @param files the program's own
 * @param folder of the admin's; it need not exist
 * @throws GuestbootError CATALOG_INVALID naming file and field
 */
export function readCatalog(files: readonly CatalogFile[], folder: string = ADMIN_FOLDER): Catalog {
  return withAdminFiles(parseCatalog(files), folder);
}

/** The program's own families. @throws GuestbootError CATALOG_INVALID */
export function parseCatalog(files: readonly CatalogFile[]): Catalog {
  return files.map(({ name, text }) => parseFamily(name, text));
}

/** The catalog with what the admin's folder says. @throws GuestbootError CATALOG_INVALID */
export function withAdminFiles(catalog: Catalog, folder: string = ADMIN_FOLDER): Catalog {
  return extendCatalog(catalog, adminFiles(folder));
}

/** The catalog with the admin's files over it, in their order. @throws GuestbootError CATALOG_INVALID */
export function extendCatalog(catalog: Catalog, files: readonly CatalogFile[]): Catalog {
  let extended: readonly Family[] = catalog;
  for (const { name, text } of files) {
    const data = parseJson(name, text);
    if (!isObject(data) || typeof data["family"] !== "string") {
      throw new GuestbootError("CATALOG_INVALID", `${name}: family: which family this file is about is missing`);
    }
    const known = extended.find((each) => each.family === data["family"]);
    const family = familyFrom(name, known === undefined ? data : merged(known, data));
    extended = known === undefined ? [...extended, family] : extended.map((each) => (each === known ? family : each));
  }
  return extended;
}

type PlainObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is PlainObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Still unchecked: the schema sees the result. */
function merged(family: Family, added: PlainObject): PlainObject {
  const installers = added["installers"];
  return {
    ...family,
    ...added,
    releases: byName(family.releases, added["releases"], "release"),
    layouts: byName(family.layouts, added["layouts"], "name"),
    installers: isObject(installers) ? { ...family.installers, ...installers } : (installers ?? family.installers),
  };
}

function byName(known: readonly object[], added: unknown, key: string): unknown {
  if (!Array.isArray(added)) return added ?? known;
  const list: readonly unknown[] = added;
  const nameOf = (entry: unknown) => (isObject(entry) ? entry[key] : undefined);
  const replaced = known.map((entry) => list.find((each) => nameOf(each) === nameOf(entry)) ?? entry);
  return [...replaced, ...list.filter((each) => !known.some((entry) => nameOf(entry) === nameOf(each)))];
}

function adminFiles(folder: string): CatalogFile[] {
  let names: string[];
  try {
    names = fs.readdirSync(folder).filter((name) => name.endsWith(".json") && !name.startsWith("."));
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return [];
    throw new GuestbootError("CATALOG_INVALID", `${folder} cannot be read: ${systemReason(error)}`, { cause: error });
  }
  if (names.length > MOST_FILES) {
    throw new GuestbootError("CATALOG_INVALID", `${folder} holds more than ${MOST_FILES} files`);
  }
  return names.sort().map((name) => ({ name: `${folder}/${name}`, text: readSmall(`${folder}/${name}`) }));
}

function readSmall(file: string): string {
  try {
    const status = fs.statSync(file);
    if (!status.isFile()) throw new GuestbootError("CATALOG_INVALID", `${file} is not a regular file`);
    if (status.size > LARGEST_FILE) {
      throw new GuestbootError("CATALOG_INVALID", `${file} has ${status.size} bytes, at most ${LARGEST_FILE} are read`);
    }
    return fs.readFileSync(file, "utf8").replace(/^\ufeff/, "");
  } catch (error) {
    if (error instanceof GuestbootError) throw error;
    throw new GuestbootError("CATALOG_INVALID", `${file} cannot be read: ${systemReason(error)}`, { cause: error });
  }
}
