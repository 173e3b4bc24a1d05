/** A folder of the host with everything that an initrd can hold, and what programs say is in a folder or archive. */
import * as fs from "node:fs";
import * as path from "node:path";
import { call } from "../filesystem/call.ts";
import { noise } from "../base/seeded.ts";

export const LONG_NAME = `${"long-".repeat(50)}end/${"name-".repeat(50)}end`;

export function makeTree(root: string): void {
  for (const folder of ["", "dev", "etc", "bin", path.dirname(LONG_NAME)]) {
    fs.mkdirSync(path.join(root, folder), { recursive: true });
  }
  fs.writeFileSync(path.join(root, "bin/tool"), noise(300_001, 5), { mode: 0o755 });
  fs.writeFileSync(path.join(root, "etc/empty"), "");
  fs.writeFileSync(path.join(root, LONG_NAME), "long\n");
  fs.writeFileSync(path.join(root, "etc/ünïcode"), "utf-8\n");
  fs.linkSync(path.join(root, "bin/tool"), path.join(root, "bin/zz-other-name"));
  fs.linkSync(path.join(root, "bin/tool"), path.join(root, "third-name"));
  fs.symlinkSync("tool", path.join(root, "bin/link"));
  call("mknod", [path.join(root, "dev/null"), "c", "1", "3"], "coreutils");
  call("mknod", [path.join(root, "dev/sda"), "b", "259", "300"], "coreutils");
  call("mkfifo", [path.join(root, "fifo")], "coreutils");
  // A socket's path has 107 bytes at most.
  const bind = "import os,socket,sys; os.chdir(sys.argv[1]); socket.socket(socket.AF_UNIX).bind('sock')";
  call("python3", ["-c", bind, root], "python3");
  fs.lchownSync(path.join(root, "etc/empty"), 1234, 5678);
  fs.chmodSync(path.join(root, "etc/empty"), 0o4751);
  for (const name of ["bin", "bin/tool", "etc/empty"])
    fs.utimesSync(path.join(root, name), 1_000_000_000, 1_000_000_000);
}

/** One line a name: kind, mode, owner, size, time, device, links, target; without the folder's own name. */
export function treeOf(root: string, { owners = true, folders = true } = {}): string[] {
  const format = `%P %y %m ${owners ? "%U:%G " : ""}`;
  const find = (kinds: string, more: string) =>
    call("find", [root, "-mindepth", "1", "-type", kinds, "-printf", `${format}${more}\\n`], "findutils");
  const lines = [
    find("f", "%s %Ts %n"),
    folders ? find("d", "") : "",
    find("l", "%l"),
    find("p,s", ""),
    call("find", [root, "-type", "b,c", "-exec", "stat", "-c", "%n %F %a %t:%T", "{}", "+"], "findutils").replaceAll(
      root,
      "",
    ),
  ];
  return lines
    .join("")
    .split("\n")
    .filter((line) => line !== "")
    .sort();
}

/** GNU cpio makes an archive of the folder. */
export function cpioOf(root: string, format: "newc" | "crc" = "newc"): Buffer {
  const archive = `${root}.${format}`;
  call(
    "sh",
    [
      "-c",
      'cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H "$2" > "$3"',
      "sh",
      root,
      format,
      archive,
    ],
    "cpio",
  );
  return fs.readFileSync(archive);
}

/** GNU cpio unpacks an archive into a new folder, over what is there. */
export function unpack(archive: Uint8Array, folder: string): void {
  fs.mkdirSync(folder, { recursive: true });
  const file = `${folder}.cpio`;
  fs.writeFileSync(file, archive);
  call("sh", ["-c", 'cd "$1" && cpio --quiet -idum < "$2"', "sh", folder, file], "cpio");
}
