import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makePartitionedDisk } from "../../fixtures/disk-images.ts";
import { programPath, run } from "../program.ts";

let folder: string;
let disk: string;
let kernel: Buffer;

const MENU = "default 0\ntitle guest\nroot (hd0,0)\nkernel /vmlinuz root=/dev/xvda2 ro\ninitrd /initrd.img\n";

/** What the image's own tools say. */
function judge(program: string, args: readonly string[]): string {
  const done = spawnSync(program, args, { encoding: "utf8", env: { ...process.env, LC_ALL: "C" } });
  if (done.error !== undefined) throw new Error(`${program} is missing (Debian: e2fsprogs, fdisk, util-linux)`);
  return done.stdout;
}

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-look-"));
  const content = path.join(folder, "content");
  fs.mkdirSync(path.join(content, "grub"), { recursive: true });
  kernel = Buffer.alloc(700_001, "kernel of the guest. ");
  fs.writeFileSync(path.join(content, "vmlinuz"), kernel);
  fs.writeFileSync(path.join(content, "initrd.img"), "ramdisk");
  fs.writeFileSync(path.join(content, "grub/menu.lst"), MENU);
  fs.writeFileSync(path.join(content, "bell\u0007"), "");
  disk = path.join(folder, "guest.img");
  makePartitionedDisk({
    path: disk,
    sizeMiB: 40,
    partitions: [
      { sizeMiB: 16, active: true, filesystem: { type: "ext4", folder: content, options: ["-L", "boot"] } },
      { sizeMiB: 8, type: "82" },
    ],
  });
});

afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const guestboot = (...args: string[]) => run(programPath("guestboot"), args);

describe("guestboot cat", () => {
  it("prints a guest's file byte for byte", () => {
    const done = spawnSync(programPath("guestboot"), ["cat", disk, "/vmlinuz"], { maxBuffer: 4_000_000 });
    expect(done.status).toBe(0);
    expect(done.stdout.equals(kernel)).toBe(true);
  });

  it("is quiet when its reader has had enough", () => {
    const command = `${programPath("guestboot")} cat ${disk} /vmlinuz | head -c 10; echo " \${PIPESTATUS[0]}"`;
    const done = run("/bin/bash", ["--norc", "-c", command]);
    expect(done.stdout).toBe("kernel of  0\n");
    expect(done.stderr).toBe("");
  });

  it("says of each volume why the file is not there", () => {
    const done = guestboot("cat", disk, "/missing");
    expect(done.status).toBe(1);
    expect(done.stderr).toContain("partition 1 (ext4) has no such path; partition 2: ");
  });

  it("refuses a folder", () => {
    expect(guestboot("cat", disk, "/grub").stderr).toContain("/grub in the guest is a folder");
  });
});

describe("guestboot ls", () => {
  it("lists a folder of the guest, with what a terminal must not see made visible", () => {
    const done = guestboot("ls", disk, "/");
    expect(done.stdout).not.toContain("\u0007");
    const names = done.stdout.split("\n").map((line) => line.slice(15));
    expect(names.filter((name) => /^(grub|initrd|vmlinuz|lost)/.test(name))).toEqual([
      "grub",
      "initrd.img",
      "lost+found",
      "vmlinuz",
    ]);
    expect(done.stdout).toMatch(/^- +700001 vmlinuz$/m);
  });

  it("finds a volume by number, UUID and label, and names those there are", () => {
    const uuid = judge("blkid", ["-p", "-O", String(1024 * 1024), "-s", "UUID", "-o", "value", disk]).trim();
    expect(uuid).toMatch(/^[0-9a-f-]{36}$/);
    for (const volume of ["1", "boot", uuid, "partition 1"]) {
      const { volume: found } = JSON.parse(guestboot("ls", disk, "/grub", "--volume", volume, "--json").stdout) as {
        volume: string;
      };
      expect(found).toBe("partition 1");
    }
    expect(guestboot("ls", disk, "/", "--volume", "7").stderr).toContain("it has: partition 1, partition 2");
  });

  it("takes a folder for a disk", () => {
    expect(guestboot("ls", path.join(folder, "content"), "/grub").stdout).toBe(
      "-           98 menu.lst\n".replace("98", String(MENU.length).padStart(2)),
    );
  });

  it.each([[["ls"]], [["cat", "disk"]], [["ls", "disk", "/", "more"]], [["ls", "disk", "--offset", "1x"]]])(
    "%j is wrong usage",
    (args) => {
      expect(guestboot(...args).status).toBe(2);
    },
  );
});

describe("guestboot inspect of a disk", () => {
  it("shows table, volumes, filesystems and what boots", () => {
    const { stdout, status } = guestboot("inspect", disk, "--json");
    expect(status).toBe(0);
    const shown = JSON.parse(stdout) as {
      kind: string;
      table: string;
      volumes: { name: string; active: boolean; partitionUuid: string; filesystem: Record<string, unknown> | null }[];
      boots: Record<string, unknown>;
    };
    const table = JSON.parse(judge("sfdisk", ["--json", disk])) as { partitiontable: { id: string } };
    const [first, second] = shown.volumes;
    expect(shown).toMatchObject({ kind: "disk", table: "mbr", boots: { title: "guest", kernel: "/vmlinuz" } });
    expect(first).toMatchObject({ name: "partition 1", active: true, filesystem: { type: "ext4", label: "boot" } });
    expect(first?.partitionUuid).toBe(`${table.partitiontable.id.slice(2)}-01`);
    expect(second?.filesystem).toBeNull();
    const dumped = judge("dumpe2fs", ["-h", `${disk}?offset=1048576`]);
    const features = /^Filesystem features: +(.*)$/m.exec(dumped)?.[1]?.split(" ");
    expect([...((first?.filesystem?.["features"] ?? []) as string[])].sort()).toEqual([...(features ?? [])].sort());
  });

  it("says what a disk is that cannot be read", () => {
    const locked = path.join(folder, "locked.img");
    fs.writeFileSync(locked, "");
    fs.truncateSync(locked, 20 * 1024 * 1024);
    const options = ["--batch-mode", "--type", "luks1", "--pbkdf-force-iterations", "1000", "--key-file", "-"];
    execFileSync("cryptsetup", ["luksFormat", ...options, locked], { input: "secret" });
    const { stdout, status } = guestboot("inspect", locked);
    expect([status, stdout]).toEqual([0, expect.stringContaining("cannot be read: it is encrypted (LUKS 1)")]);
    const image = path.join(folder, "disk.vmdk");
    judge("qemu-img", ["create", "-q", "-f", "vmdk", image, "8M"]);
    const foreign = guestboot("inspect", image);
    expect([foreign.status, foreign.stderr]).toEqual([1, expect.stringContaining("format VMDK cannot be read")]);
  });

  it("says it in words", () => {
    const { stdout } = guestboot("inspect", disk);
    expect(stdout).toContain("partition table mbr");
    expect(stdout).toContain('ext4, label "boot", UUID ');
    expect(stdout).toContain('boots "guest" (/grub/menu.lst on partition 1, grub-legacy)');
  });

  it("gives up its rights first", () => {
    const traced = run("/usr/bin/strace", [
      "-f",
      "-e",
      "trace=openat,pread64",
      programPath("guestboot"),
      "inspect",
      disk,
    ]);
    const lines = traced.stderr.split("\n");
    const read = lines.findLastIndex((line) => /pread64\(.*\) = \d/.test(line));
    // The runtime opens this one when it first prints.
    const opened = lines.findLastIndex((line) => /openat\(.* = \d/.test(line) && !line.includes('"/dev/null"'));
    expect(read).toBeGreaterThan(opened);
  });
});
