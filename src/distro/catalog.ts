/**
 * The catalog of distributions: one JSON file a family under `distros/` (its shape: `distros/schema.json`). What
 * differs between distributions is data there; this file only reads it and answers questions about it.
 */
import * as v from "valibot";
import { GuestbootError } from "../base/errors.ts";

/** `xen`: the tree's own Xen kernel. `generic`: a kernel that boots as a Xen guest by itself. */
export type Flavour = "xen" | "generic";

const layoutSchema = v.strictObject({
  name: v.string(),
  flavour: v.picklist(["xen", "generic"]),
  kernel: v.string(),
  ramdisks: v.pipe(v.array(v.string()), v.minLength(1)),
});

const releaseSchema = v.strictObject({
  release: v.string(),
  aliases: v.optional(v.array(v.string()), []),
  arches: v.optional(v.array(v.string())),
  layouts: v.optional(v.array(v.string())),
});

const familySchema = v.strictObject({
  $schema: v.optional(v.string()),
  family: v.pipe(v.string(), v.regex(/^[a-z0-9]+$/)),
  aliases: v.optional(v.array(v.string()), []),
  arches: v.record(v.string(), v.string()),
  rounds: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2)),
  layouts: v.pipe(v.array(layoutSchema), v.minLength(1)),
  releases: v.array(releaseSchema),
});

export type Layout = v.InferOutput<typeof layoutSchema>;
export type Release = v.InferOutput<typeof releaseSchema>;
export type Family = v.InferOutput<typeof familySchema>;
export type Catalog = readonly Family[];

/**
 * One family from the text of its file.
 * @param name the file's name, for the error
 * @throws GuestbootError CATALOG_INVALID naming the file and the field
 */
export function parseFamily(name: string, text: string): Family {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw new GuestbootError("CATALOG_INVALID", `${name}: not JSON: ${String(error)}`, { cause: error });
  }
  const parsed = v.safeParse(familySchema, data);
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  throw new GuestbootError("CATALOG_INVALID", `${name}: ${v.getDotPath(issue) ?? "the file"}: ${issue.message}`);
}

/** The family of that name or alias. @throws UNSUPPORTED_INSTALL_METHOD naming those there are */
export function findFamily(catalog: Catalog, name: string): Family {
  const family = catalog.find((each) => each.family === name || each.aliases.includes(name));
  if (family !== undefined) return family;
  const known = catalog.map((each) => each.family).join(", ");
  throw new GuestbootError("UNSUPPORTED_INSTALL_METHOD", `distribution "${name}" is not known (known: ${known})`, {
    hint: "other-config:install-distro names the distribution",
    args: [name],
  });
}
