/**
 * An NFS export mounted read-only in a private folder, for what libnfs's programs cannot read and hosts without them.
 *
 * A loader is ended by SIGKILL, and a mount that stays behind keeps a dom0 from shutting down. So a shell beside us
 * owns the mount from before it is made: when its input ends, however we ended, it unmounts and removes the folder.
 *
 * The shell has what it is to mount from its start, and is then told when, by a line of no meaning. So it may be started
 * by somebody who may mount, and told by the same process with no rights left.
 */
import type { ChildProcessByStdio } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { GuestbootError } from "../base/errors.ts";
import { openFolderRepository } from "./folder.ts";
import type { NfsLocation } from "./location.ts";
import type { NfsPrograms } from "./nfs-programs.ts";
import type { Repository } from "./repository.ts";
import { seconds, type TransferLimits } from "./transfer.ts";

/**
 * Arguments: where the folder is made, mount options, what is mounted, seconds to wait for that. It answers with lines
 * of an exit status, a blank and words: first the folder, then for each line that it reads how mounting went, and after
 * one of 0 for the next line how unmounting did.
 */
const OWNER_SCRIPT = `umask 077
set -f
say() { printf '%s %.2000s\\n' "$1" "$(printf '%s ' $2)"; }
words=$(mktemp -d "$1/guestboot-nfs.XXXXXXXX" 2>&1) && mkdir -- "$words/export"
status=$?
say $status "$words"
[ $status = 0 ] || exit 1
folder=$words
trap '' HUP INT TERM PIPE
while read -r _; do
  words=$(timeout -k 2 "$4" mount -t nfs -o "$2" -- "$3" "$folder/export" 2>&1 </dev/null)
  status=$?
  say $status "$words"
  if [ $status = 0 ]; then read -r _; fi
  umount -- "$folder/export" || umount -f -l -- "$folder/export"
  if [ $status = 0 ]; then say $? ""; fi
done 2>/dev/null
rmdir -- "$folder/export" "$folder"`;

/** timeout(1): what it had started took too long, and had to be ended the hard way. */
const TIMED_OUT = [124, 137];

/** How long we wait for the end of a mount, in milliseconds; its owner goes on without us. */
const UNMOUNT_TIMEOUT = 10_000;
/** More than the owner says in one. */
const LONGEST_LINE = 4096;

interface MountedRepository {
  /** The owner is for this repository alone. */
  readonly endsWithIt: boolean;
  readonly location: NfsLocation;
  readonly limits: TransferLimits;
}

/** @param owner of that location. @throws REPOSITORY_UNREACHABLE, REPOSITORY_REFUSED */
export async function openMountedRepository(
  owner: MountOwner,
  { endsWithIt, location, limits }: MountedRepository,
): Promise<Repository> {
  const giveBack = () => (endsWithIt ? owner.end() : owner.unmount());
  try {
    const folder = await owner.mount();
    const repository = await openFolderRepository(folder, location.address, limits);
    return {
      address: repository.address,
      addressOf: (path) => repository.addressOf(path),
      look: (path, signal) => repository.look(path, signal),
      fetch: (path, options) => repository.fetch(path, options),
      async [Symbol.asyncDispose]() {
        await repository[Symbol.asyncDispose]();
        await giveBack();
      },
    };
  } catch (error) {
    await giveBack();
    throw error;
  }
}

/** nfs(5). What is ours comes last and wins: nothing is written, nothing on it is run, and nothing hangs for ever. */
export function mountOptions(options: readonly string[], { headersTimeout }: TransferLimits): string {
  const deciseconds = Math.max(1, Math.round(headersTimeout / 3 / 100));
  const ours = ["ro", "nosuid", "nodev", "noexec", "nolock", "soft", `timeo=${deciseconds}`, "retrans=2", "retry=0"];
  return [...options, ...ours].join(",");
}

/** The shell that mounts one export, as often as it is asked to. */
export class MountOwner {
  readonly #location: NfsLocation;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #patience: number;
  readonly #ended: Promise<unknown>;
  readonly #lines: AsyncGenerator<string, null>;
  #folder: Promise<string> | null = null;
  #users = 0;
  #mounted: Promise<string> | null = null;

  /** Nothing is asked of the server yet. */
  constructor(location: NfsLocation, programs: NfsPrograms, limits: TransferLimits) {
    const { spawn } = process.getBuiltinModule("node:child_process");
    this.#location = location;
    this.#patience = limits.connectTimeout + limits.headersTimeout;
    const args = [
      programs.temporaryFolder,
      mountOptions(location.options, limits),
      `${location.server}:${location.path}`,
      `${this.#patience / 1000}`,
    ];
    this.#child = spawn("/bin/sh", ["-c", OWNER_SCRIPT, "guestboot-mount", ...args], {
      stdio: ["pipe", "pipe", "ignore"],
      env: { PATH: programs.path, LC_ALL: "C" },
      // In a session of its own: what a terminal's interrupt ends is us.
      detached: true,
    });
    this.#ended = endOf(this.#child);
    this.#child.stdin.on("error", () => undefined);
    this.#lines = linesOf(this.#child.stdout);
  }

  /** The private folder in which the export will be. @throws REPOSITORY_UNREACHABLE */
  folder(): Promise<string> {
    this.#folder ??= this.#answer();
    return this.#folder;
  }

  /** Each call wants an `unmount`, also one that failed. @throws REPOSITORY_UNREACHABLE, REPOSITORY_REFUSED */
  async mount(): Promise<string> {
    this.#users += 1;
    this.#mounted ??= this.#mount();
    return this.#mounted;
  }

  async unmount(): Promise<void> {
    this.#users -= 1;
    const mounted = this.#mounted;
    if (this.#users > 0 || mounted === null) return;
    this.#mounted = null;
    const isMounted = await mounted.then(
      () => true,
      () => false,
    );
    if (!isMounted) return;
    this.#child.stdin.write("\n");
    await withinTime(this.#lines.next());
  }

  /** Unmounts, and ends the shell. */
  async end(): Promise<void> {
    this.#child.stdin.end();
    await withinTime(this.#ended);
    // It may wait for a server that is gone; it needs us no more, and must not keep us.
    this.#child.unref();
    this.#child.stdout.destroy();
  }

  async #mount(): Promise<string> {
    const folder = await this.folder();
    this.#child.stdin.write("\n");
    await this.#answer();
    return `${folder}/export`;
  }

  /** The words of the next line. @throws REPOSITORY_UNREACHABLE, REPOSITORY_REFUSED when it tells of a failure */
  async #answer(): Promise<string> {
    const line = (await this.#lines.next()).value ?? "";
    const [status = ""] = line.split(" ", 1);
    const words = line.slice(status.length).trim();
    if (status !== "0") throw notMounted(this.#location, words, Number(status), this.#patience);
    return words;
  }
}

async function* linesOf(output: AsyncIterable<Buffer>): AsyncGenerator<string, null> {
  let text = "";
  for await (const chunk of output) {
    text = (text + chunk.toString("utf8")).slice(0, LONGEST_LINE);
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      yield line;
    }
  }
  return null;
}

async function withinTime(done: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(() => resolve(null), UNMOUNT_TIMEOUT);
  await Promise.race([done, late]);
  clearTimeout(timer);
}

/** Also when it could not be started. */
async function endOf(child: ChildProcessByStdio<Writable, Readable, null>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<null>();
  child.once("exit", () => resolve(null));
  child.once("error", () => resolve(null));
  await promise;
}

function notMounted(
  { address, server }: NfsLocation,
  complaints: string,
  status: number,
  patience: number,
): GuestbootError {
  if (TIMED_OUT.includes(status)) {
    return new GuestbootError("REPOSITORY_UNREACHABLE", `${address}: no answer within ${seconds(patience)}`, {
      hint: `is an NFS server running on ${server}?`,
    });
  }
  const line = complaints.replace(/[\s\x00-\x1f\x7f-\x9f]+/g, " ").trim();
  const reason = line === "" ? "mount(8) failed without a word" : line.slice(0, 300);
  const isRefused = /access denied|permission denied|operation not permitted/i.test(line);
  return new GuestbootError(
    isRefused ? "REPOSITORY_REFUSED" : "REPOSITORY_UNREACHABLE",
    `${address}: it could not be mounted: ${reason}`,
    {
      hint: /unknown filesystem type|No such device|bad option/i.test(line)
        ? "this host's kernel or tools lack NFS: apt-get install libnfs-utils, or yum install nfs-utils"
        : `may this host read it? showmount -e ${server}`,
    },
  );
}
