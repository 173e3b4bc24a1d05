/**
 * One file of an initrd: the last of that name, as the kernel would leave it, with symbolic links followed. The initrd
 * is gone through twice: first for the names, then for the bytes.
 */
import { Budget } from "../base/budget.ts";
import type { ByteSource } from "../base/byte-source.ts";
import { GuestbootError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import type { CpioKind } from "./cpio-header.ts";
import { readInitrd, type InitrdLimits } from "./members.ts";
import { contentText } from "./read-cpio.ts";

/** As the kernel: MAXSYMLINKS. */
const MOST_LINKS = 40;
/** Names that are kept, in characters. */
const MOST_CHARACTERS = 128 * 1024 * 1024;

interface Known {
  readonly kind: CpioKind;
  /** Which record of the initrd has the content. */
  readonly record: number;
  readonly target: string | null;
}

/**
 * The bytes of the file at `path`.
 * @throws GuestbootError FILE_MISSING, NOT_A_FILE, LINK_LOOP; and as `readInitrd`
 */
export async function* extractFile(
  source: ByteSource,
  path: string,
  limits: InitrdLimits,
): AsyncGenerator<Uint8Array, void> {
  const wanted = followed(await namesOf(source, limits), path);
  let count = 0;
  for await (const event of readInitrd(source, limits)) {
    if (event.what !== "record" || count++ !== wanted) continue;
    yield* event.record.content();
    return;
  }
}

async function namesOf(source: ByteSource, limits: InitrdLimits): Promise<ReadonlyMap<string, Known>> {
  const names = new Map<string, Known>();
  const characters = new Budget("characters of names in the initrd", MOST_CHARACTERS);
  /** Which record has the content of a file with several names. */
  const contents = new Map<string, number>();
  const linked = new Map<string, string>();
  let count = 0;
  for await (const event of readInitrd(source, limits)) {
    if (event.what !== "record") continue;
    const { record, archive } = event;
    const { header, kind, path } = record;
    characters.spend(path.length);
    const target = kind === "symlink" ? await contentText(record) : null;
    names.set(path, { kind, record: count, target });
    linked.delete(path);
    if (kind === "file" && header.links > 1) {
      const key = [archive, header.deviceMajor, header.deviceMinor, header.inode].join(":");
      linked.set(path, key);
      if (header.size > 0 || !contents.has(key)) contents.set(key, count);
    }
    count++;
  }
  for (const [path, key] of linked) {
    const known = names.get(path);
    if (known !== undefined) names.set(path, { ...known, record: contents.get(key) ?? known.record });
  }
  return names;
}

/** @returns the record that has the content */
function followed(names: ReadonlyMap<string, Known>, path: string): number {
  let rest = path.split("/");
  let done: string[] = [];
  for (let links = 0; rest.length > 0;) {
    const [component = "", ...after] = rest;
    rest = after;
    if (component === "" || component === ".") continue;
    if (component === "..") {
      done.pop();
      continue;
    }
    const target = names.get([...done, component].join("/"))?.target ?? null;
    if (target === null) {
      done.push(component);
      continue;
    }
    if (++links > MOST_LINKS) {
      throw new GuestbootError("LINK_LOOP", `${quote(path)}: more than ${MOST_LINKS} symbolic links on the way`);
    }
    if (target.startsWith("/")) done = [];
    rest = [...target.split("/"), ...after];
  }
  const found = names.get(done.join("/"));
  if (found === undefined) {
    throw new GuestbootError("FILE_MISSING", `there is no ${quote(path)} in the initrd`, {
      hint: "guestboot inspect --list FILE prints the names",
    });
  }
  if (found.kind === "file") return found.record;
  throw new GuestbootError("NOT_A_FILE", `${quote(path)} is a ${found.kind}, not a file`);
}
