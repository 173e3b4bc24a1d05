/**
 * The catalog of distributions: one JSON file a family under `distros/` (its shape: `distros/schema.json`). What
 * differs between distributions is data there; this file only reads it and answers questions about it.
 */
import * as v from "valibot";
import { GuestbootError } from "../base/errors.ts";

/** `xen`: the tree's own Xen kernel. `generic`: a kernel that boots as a Xen guest by itself. */
export type Flavour = "xen" | "generic";

/** More than any real catalog has; a file that an admin dropped in must not cost a start its memory. */
const MOST_ENTRIES = 1000;
const LONGEST_TEXT = 1024;

const text = v.pipe(v.string(), v.maxLength(LONGEST_TEXT));
const texts = v.pipe(v.array(text), v.maxLength(MOST_ENTRIES));
const note = v.optional(text);
/** Paths are joined to a repository's address, so none may leave it. */
const path = v.pipe(
  text,
  v.minLength(1),
  v.check((value) => !/^\/|(?:^|\/)\.\.(?:\/|$)|[\0-\x1f\\]/.test(value), "is no path below a repository"),
);
const root = v.pipe(
  text,
  v.check((value) => value === "" || /^(?!\/)(?!.*(?:^|\/)\.\.?\/).+\/$/.test(value), "is no folder ending in /"),
);

const layoutSchema = v.strictObject({
  name: text,
  flavour: v.picklist(["xen", "generic"]),
  arches: v.optional(texts),
  kernel: path,
  ramdisks: v.pipe(v.array(path), v.minLength(1), v.maxLength(8)),
  extras: v.optional(v.array(path), []),
  installer: v.optional(text),
  note,
});

const releaseSchema = v.strictObject({
  release: text,
  aliases: v.optional(texts, []),
  arches: v.optional(texts),
  layouts: v.optional(texts),
  installer: v.optional(text),
  roots: v.optional(v.pipe(v.array(root), v.minLength(1), v.maxLength(8))),
  family: v.optional(text),
  note,
});

const words = v.nullable(text);
/** The kinds of answer files: what makes an installer ask nothing. */
export type AnswerKind = "preseed" | "kickstart" | "autoyast";

const answerSchema = v.strictObject({ file: v.nullable(path), arguments: text });
const installerSchema = v.strictObject({
  network: words,
  cdrom: words,
  graphical: words,
  password: words,
  answers: v.optional(
    v.partial(v.strictObject({ preseed: answerSchema, kickstart: answerSchema, autoyast: answerSchema })),
  ),
  note,
});

const nameSchema = v.strictObject({
  words: v.pipe(v.array(v.pipe(text, v.minLength(1))), v.minLength(1)),
  release: text,
});

const shapeSchema = v.strictObject({ file: path, release: v.optional(text), arch: v.optional(text) });

const pairSchema = v.strictObject({ kernel: text, ramdisk: text });
const lookupSchema = v.strictObject({
  folders: v.pipe(texts, v.minLength(1)),
  files: v.record(text, v.array(pairSchema)),
});

/** Which files of a tree tell what it is. */
export const INDEX_KINDS = [
  "treeinfo",
  "suse-content",
  "suse-products",
  "disk-info",
  "debian-release",
  "mageia-version",
  "xs-repository",
] as const;
export type IndexKind = (typeof INDEX_KINDS)[number];

const familyEntries = {
  $schema: v.optional(text),
  family: v.pipe(text, v.regex(/^[a-z0-9]+$/)),
  aliases: v.optional(texts, []),
  note,
  arches: v.record(text, text),
  rounds: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2)),
  files: v.optional(v.picklist(["repository", "guest-installer", "record"]), "repository"),
  index: v.optional(v.array(v.picklist(INDEX_KINDS)), []),
  roots: v.optional(v.pipe(v.array(root), v.minLength(1), v.maxLength(8)), [""]),
  layouts: v.pipe(v.array(layoutSchema), v.maxLength(MOST_ENTRIES)),
  installers: v.optional(v.record(text, installerSchema), {}),
  installer: v.optional(text),
  unindexed: v.optional(text),
  unlisted: v.optional(v.strictObject({ release: v.optional(text), layouts: v.optional(texts) }), {}),
  names: v.optional(v.array(nameSchema), []),
  shapes: v.optional(v.array(shapeSchema), []),
  suites: v.optional(v.pipe(texts, v.maxLength(40)), []),
  secondRound: v.optional(lookupSchema),
  releases: v.pipe(v.array(releaseSchema), v.maxLength(MOST_ENTRIES)),
};

const familySchema = v.strictObject(familyEntries);

export type Layout = v.InferOutput<typeof layoutSchema>;
export type Release = v.InferOutput<typeof releaseSchema>;
export type Installer = v.InferOutput<typeof installerSchema>;
/** Where an installer looks for its answer file, and what it is told. */
export type AnswerPlace = v.InferOutput<typeof answerSchema>;
/** Files that a second round looks for on the guest's disk, by architecture. */
export type DiskLookup = v.InferOutput<typeof lookupSchema>;
export type Family = v.InferOutput<typeof familySchema>;
export type Catalog = readonly Family[];

/**
 * One family from the text of its file.
 * @param name the file's name, for the error
 * @throws GuestbootError CATALOG_INVALID naming the file and the field
 */
export function parseFamily(name: string, text: string): Family {
  return familyFrom(name, parseJson(name, text));
}

/** The same from data that has been read already. @throws GuestbootError CATALOG_INVALID */
export function familyFrom(name: string, data: unknown): Family {
  const parsed = v.safeParse(familySchema, data);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw invalid(name, `${v.getDotPath(issue) ?? "the file"}: ${issue.message}`);
  }
  checkReferences(name, parsed.output);
  return parsed.output;
}

/** @throws GuestbootError CATALOG_INVALID */
export function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GuestbootError("CATALOG_INVALID", `${name}: not JSON: ${String(error)}`, { cause: error });
  }
}

/** The family of that name or alias. @throws UNSUPPORTED_INSTALL_METHOD naming those there are */
export function findFamily(catalog: Catalog, name: string): Family {
  const family = catalog.find((each) => each.family === name || each.aliases.includes(name));
  if (family !== undefined) return family;
  const known = catalog.map((each) => each.family).join(", ");
  throw new GuestbootError("UNSUPPORTED_INSTALL_METHOD", `distribution "${name}" is not known (known: ${known})`, {
    hint: "--distro names the distribution; for a VM other-config:install-distro",
    args: [name],
  });
}

/** A name that nothing stands behind is a slip of the pen that would otherwise show up in the middle of a start. */
function checkReferences(name: string, family: Family): void {
  const layouts = new Set(family.layouts.map((layout) => layout.name));
  const check = (where: string, wanted: string | undefined, known: ReadonlySet<string>) => {
    if (wanted !== undefined && !known.has(wanted)) throw invalid(name, `${where}: there is no "${wanted}"`);
  };
  const installers = new Set(Object.keys(family.installers));
  check("installer", family.installer, installers);
  check("unindexed", family.unindexed, installers);
  for (const layout of family.layouts) check(`layout ${layout.name}: installer`, layout.installer, installers);
  for (const each of family.unlisted.layouts ?? []) check("unlisted: layouts", each, layouts);
  for (const release of family.releases) {
    check(`release ${release.release}: installer`, release.installer, installers);
    for (const each of release.layouts ?? []) check(`release ${release.release}: layouts`, each, layouts);
  }
}

function invalid(name: string, what: string): GuestbootError {
  return new GuestbootError("CATALOG_INVALID", `${name}: ${what}`);
}
