/**
 * The catalog that the program works with: its own families, and what the admin's files add to them.
 *
 * Reading and checking its own takes longer than most of a start, so the build of the single executable does it and
 * keeps the result as JSON; from its sources the program does it when it is asked.
 */
import { builtCatalog, catalogFiles } from "../base/program.ts";
import type { Catalog } from "./catalog.ts";
import { ADMIN_FOLDER, parseCatalog, withAdminFiles } from "./read-catalog.ts";

/** @param folder of the admin's; it need not exist. @throws GuestbootError CATALOG_INVALID naming file and field */
export function wholeCatalog(folder: string = ADMIN_FOLDER): Catalog {
  return withAdminFiles(ownCatalog(), folder);
}

/** The program's own families alone. @throws GuestbootError CATALOG_INVALID */
export function ownCatalog(): Catalog {
  const built = builtCatalog();
  // What the build has checked is part of the program, not data from outside.
  return built === null ? parseCatalog(catalogFiles()) : (JSON.parse(built) as Catalog);
}
