/** What an initrd holds, in figures: its members, its files, and for which kernels it has modules. */
import type { ByteSource } from "../base/byte-source.ts";
import { readInitrd, type InitrdLimits, type Member } from "./members.ts";
import { contentText, type CpioRecord } from "./read-cpio.ts";

export interface InitrdDescription {
  readonly members: readonly Member[];
  /** Names of all members together, folders and links among them. */
  readonly files: number;
  readonly modules: readonly KernelModules[];
}

/** What lies below `lib/modules/VERSION`. */
export interface KernelModules {
  readonly version: string;
  /** Modules, compressed ones too. */
  readonly count: number;
}

/** One name in an initrd. */
export interface ListedFile {
  readonly path: string;
  readonly kind: CpioRecord["kind"];
  /** Type and permissions (stat(2)). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Of a symbolic link. */
  readonly target: string | null;
  /** The member that it is in, counted from 0. */
  readonly member: number;
}

/**
 * @param onFile is told of each name, in order; null where nobody wants to know
 * @throws GuestbootError as `readInitrd`
 */
export async function describeInitrd(
  source: ByteSource,
  limits: InitrdLimits,
  onFile: ((file: ListedFile) => void) | null = null,
): Promise<InitrdDescription> {
  const members: Member[] = [];
  const modules = new ModuleCount();
  for await (const event of readInitrd(source, limits)) {
    if (event.what === "end") members.push(event.member);
    if (event.what !== "record") continue;
    const { record, member } = event;
    modules.see(record.path);
    if (onFile === null) continue;
    const { mode, uid, gid, size, mtime } = record.header;
    const target = record.kind === "symlink" ? await contentText(record) : null;
    const path = record.path === "" ? "." : record.path;
    onFile({ path, kind: record.kind, mode, uid, gid, size, mtime, target, member: member.index });
  }
  const files = members.reduce((count, member) => count + member.records, 0);
  return { members, files, modules: modules.result() };
}

/** Counts modules by the kernel version in their paths. */
export class ModuleCount {
  readonly #counts = new Map<string, number>();

  see(path: string): void {
    const found = /^(?:usr\/)?lib\/modules\/([^/]+)(\/.*\.ko(?:\.(?:xz|gz|zst|lzma|bz2|lz4))?$)?/.exec(path);
    const [, version, isModule] = found ?? [];
    // A folder of modules belongs to a version also where it has none.
    if (version !== undefined && /^[0-9]/.test(version)) {
      this.#counts.set(version, (this.#counts.get(version) ?? 0) + (isModule === undefined ? 0 : 1));
    }
  }

  result(): KernelModules[] {
    return [...this.#counts].map(([version, count]) => ({ version, count }));
  }
}
