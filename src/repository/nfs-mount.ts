/**
 * An NFS export mounted read-only in a private folder, for hosts without libnfs's programs.
 *
 * A loader is ended by SIGKILL, and a mount that stays behind keeps a dom0 from shutting down. So a shell beside us
 * owns the mount from before it is made: when its input ends, however we ended, it unmounts and removes the folder.
 */
import type { ChildProcess } from "node:child_process";
import { GuestbootError } from "../base/errors.ts";
import { openFolderRepository } from "./folder.ts";
import type { NfsLocation } from "./location.ts";
import type { NfsPrograms } from "./nfs-programs.ts";
import type { Repository } from "./repository.ts";
import { seconds, type TransferLimits } from "./transfer.ts";

/** Arguments: where the folder is made, mount options, what is mounted, seconds to wait for that. */
const OWNER_SCRIPT = `umask 077
folder=$(mktemp -d "$1/guestboot-nfs.XXXXXXXX") || exit 1
trap '' HUP INT TERM PIPE
timeout -k 2 "$4" mount -t nfs -o "$2" -- "$3" "$folder" </dev/null >&2
status=$?
if [ $status = 0 ]; then
  printf '%s\\n' "$folder"
  read -r _
fi
umount -- "$folder" 2>/dev/null || umount -f -l -- "$folder" 2>/dev/null
rmdir -- "$folder"
exit $status`;

/** timeout(1): what it had started took too long, and had to be ended the hard way. */
const TIMED_OUT = [124, 137];

/** How long we wait for the end of the owner, in milliseconds; it goes on without us. */
const UNMOUNT_TIMEOUT = 10_000;
const MOST_COMPLAINTS = 4096;

/** @throws REPOSITORY_UNREACHABLE, REPOSITORY_REFUSED */
export async function openMountedRepository(
  location: NfsLocation,
  programs: NfsPrograms,
  limits: TransferLimits,
): Promise<Repository> {
  const owner = startOwner(location, programs, limits);
  try {
    const folder = await owner.folder;
    const repository = await openFolderRepository(folder, location.address, limits);
    return {
      address: repository.address,
      addressOf: (path) => repository.addressOf(path),
      look: (path, signal) => repository.look(path, signal),
      fetch: (path, options) => repository.fetch(path, options),
      async [Symbol.asyncDispose]() {
        await repository[Symbol.asyncDispose]();
        await owner.end();
      },
    };
  } catch (error) {
    await owner.end();
    throw error;
  }
}

/** nfs(5). What is ours comes last and wins: nothing is written, nothing on it is run, and nothing hangs for ever. */
export function mountOptions(options: readonly string[], { headersTimeout }: TransferLimits): string {
  const deciseconds = Math.max(1, Math.round(headersTimeout / 3 / 100));
  const ours = ["ro", "nosuid", "nodev", "noexec", "nolock", "soft", `timeo=${deciseconds}`, "retrans=2", "retry=0"];
  return [...options, ...ours].join(",");
}

function startOwner(location: NfsLocation, programs: NfsPrograms, limits: TransferLimits) {
  const { spawn } = process.getBuiltinModule("node:child_process");
  const patience = limits.connectTimeout + limits.headersTimeout;
  const args = [
    programs.temporaryFolder,
    mountOptions(location.options, limits),
    `${location.server}:${location.path}`,
    `${patience / 1000}`,
  ];
  const child = spawn("/bin/sh", ["-c", OWNER_SCRIPT, "guestboot-mount", ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: programs.path, LC_ALL: "C" },
    // In a session of its own: what a terminal's interrupt ends is us.
    detached: true,
  });
  child.stdin.on("error", () => undefined);
  const ended = endOf(child);
  let complaints = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaints = (complaints + text).slice(0, MOST_COMPLAINTS);
  });
  const folder = new Promise<string>((resolve, reject) => {
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (said.endsWith("\n")) resolve(said.slice(0, -1));
    });
    void ended.then((status) => reject(notMounted(location, complaints, status, patience)));
  });
  return {
    folder,
    async end(): Promise<void> {
      child.stdin.end();
      const { promise: late, resolve } = Promise.withResolvers<null>();
      const timer = setTimeout(() => resolve(null), UNMOUNT_TIMEOUT);
      await Promise.race([ended, late]);
      clearTimeout(timer);
      // It may wait for a server that is gone; it needs us no more, and must not keep us.
      child.unref();
      child.stdout.destroy();
      child.stderr.destroy();
    },
  };
}

/** The exit status; null when it could not be started or was ended by a signal. */
async function endOf(child: ChildProcess): Promise<number | null> {
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.once("close", resolve);
  child.once("error", () => resolve(null));
  return promise;
}

function notMounted(
  location: NfsLocation,
  complaints: string,
  status: number | null,
  patience: number,
): GuestbootError {
  const { address, server } = location;
  if (status !== null && TIMED_OUT.includes(status)) {
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
