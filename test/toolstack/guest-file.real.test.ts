/**
 * xm ran its guests' files as Python, so Python itself is the judge of what a file says before and after a change.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseGuestFile } from "../../src/toolstack/guest-file.ts";
import { isGuestFile, openGuestStore } from "../../src/toolstack/guest-store.ts";
import type { BootField } from "../../src/toolstack/vm-record.ts";
import { environment, temporaryFolder } from "../program.ts";

/** The plain values that the file sets. */
function asPython(text: string): Record<string, unknown> {
  const program = `import sys, json
names = {}
exec(sys.stdin.buffer.read().decode("utf-8", "surrogateescape"), names)
print(json.dumps({k: v for k, v in names.items() if isinstance(v, (str, int, list))}))`;
  const done = spawnSync("python3", ["-c", program], { input: text, encoding: "utf8", env: environment() });
  if (done.error !== undefined) throw new Error("python3 is missing: apt-get install python3", { cause: done.error });
  if (done.status !== 0) throw new Error(done.stderr);
  return JSON.parse(done.stdout) as Record<string, unknown>;
}

const XL = `# web, the shop's front
name = "web"           # the name
type='pv'; memory = 512
uuid = '0c5e7b2a-1d3f-4a6b-8c9d-0123456789ab'
# bootloader = "old"
bootloader = '/usr/lib/xen/bin/eliloader'    # flipped by hand
bootloader_args = [ "--kernel", "/boot/vmlinuz-xen", # why
                    "--ramdisk", '/boot/it\\'s' ]
extra = "console=hvc0 \\"quoted\\" # no comment"
disk = [
  'phy:/dev/vg0/web,xvda,w',   # the root
  'file:/srv/cd.iso,xvdc:cdrom,r',
]
vif = [ 'mac=00:16:3e:00:00:01,bridge=xenbr0' ]
`;

const PYTHON = `import os
def where(name):
    kernel = "not this one"
    return "/srv/" + name
name = 'db' # Zoë
memory = 2 * 256
bootloader = """/usr/bin/pygrub"""
kernel = where("k")
disk = [ 'tap:aio:' + where("db.img") + ',sda1,w' ]
extra = ''
on_crash = 'destroy'`;

describe("an xl guest's file", () => {
  it("is read as a record", () => {
    expect(parseGuestFile(XL).record).toEqual({
      uuid: "0c5e7b2a-1d3f-4a6b-8c9d-0123456789ab",
      name_label: "web",
      PV_bootloader: "eliloader",
      PV_bootloader_args: "--kernel /boot/vmlinuz-xen --ramdisk /boot/it's",
      PV_args: 'console=hvc0 "quoted" # no comment',
      PV_kernel: "",
      PV_ramdisk: "",
      other_config: {},
      VBDs: [
        { userdevice: "0", type: "Disk", bootable: true, mode: "RW" },
        { userdevice: "2", type: "CD", bootable: false, mode: "RO" },
      ],
    });
  });

  it.each<[BootField, string, string, unknown]>([
    ["PV_bootloader", "pygrub", "bootloader", "/usr/lib/xen/bin/pygrub"],
    ["PV_bootloader", "/opt/guestboot", "bootloader", "/opt/guestboot"],
    ["PV_bootloader_args", "--vm=web -q", "bootloader_args", ["--vm=web", "-q"]],
    ["PV_bootloader_args", "", "bootloader_args", undefined],
    ["PV_args", `it's a "\\" Zoë`, "extra", `it's a "\\" Zoë`],
    ["PV_args", "", "extra", undefined],
    ["PV_kernel", "/var/lib/xcp/guest/k", "kernel", "/var/lib/xcp/guest/k"],
    ["PV_ramdisk", "", "ramdisk", undefined],
  ])("says for Python %s = %j and nothing else anew", (field, value, key, expected) => {
    const before = asPython(XL);
    const changed = parseGuestFile(XL).with(field, value);
    const { [key]: now, ...rest } = asPython(changed);
    const others = Object.fromEntries(Object.entries(before).filter(([name]) => name !== key));
    expect(now).toEqual(expected);
    expect(rest).toEqual(others);
    const comments = (text: string) => text.split("\n").flatMap((line) => (line.startsWith("#") ? [line] : []));
    expect(comments(changed)).toEqual(comments(XL));
    expect(parseGuestFile(changed).record[field]).toBe(field === "PV_bootloader" ? value.replace(/.*\//, "") : value);
  });

  it("is edited around what only Python understands", () => {
    const changed = parseGuestFile(PYTHON.replace('kernel = where("k")\n', "")).with("PV_bootloader", "guestboot");
    expect(asPython(changed)).toMatchObject({ bootloader: "/usr/bin/guestboot", name: "db", memory: 512 });
    expect(changed).toContain('    kernel = "not this one"');
  });

  it("is refused where a value that counts is an expression", () => {
    expect(() => parseGuestFile(PYTHON)).toThrow(expect.objectContaining({ code: "VM_INVALID" }) as Error);
    expect(() => parseGuestFile('kernel = "a" + "b"')).toThrow(/"kernel" to more than a plain value/);
    expect(() => parseGuestFile("bootloader = 'never ends")).toThrow(/"bootloader"/);
  });

  it("keeps line ends, the missing last newline and bytes that are no text", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "web.cfg");
    const bytes = Buffer.from("name='w\xe9b'\r\nbootloader='eliloader'\r\n# \xff", "latin1");
    fs.writeFileSync(file, bytes, { mode: 0o640 });
    expect(isGuestFile(file)).toBe(true);
    const store = openGuestStore(file);
    const made = await store.apply("", [{ kind: "field", field: "PV_bootloader", from: "eliloader", to: "pygrub" }]);
    expect(made).toHaveLength(1);
    expect(fs.readFileSync(file)).toEqual(
      Buffer.from(bytes.toString("latin1").replace("eliloader", "pygrub"), "latin1"),
    );
    expect(fs.statSync(file).mode & 0o777).toBe(0o640);
    expect(fs.readdirSync(folder.path)).toEqual(["web.cfg"]);
  });

  it("has no place for an installation's keys and says where they belong", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "web.cfg");
    fs.writeFileSync(file, XL);
    const change = { kind: "other_config", key: "install-distro", from: null, to: "rhlike" } as const;
    await expect(openGuestStore(file).apply("", [change])).rejects.toMatchObject({
      code: "VM_UNWRITABLE",
      message: expect.stringContaining("install-distro") as unknown,
      hint: expect.stringContaining("file store") as unknown,
    });
    expect(fs.readFileSync(file, "utf8")).toBe(XL);
  });

  it("is not read when it is too large, missing or a folder", async () => {
    using folder = temporaryFolder();
    expect(isGuestFile(folder.path)).toBe(false);
    expect(isGuestFile("web")).toBe(false);
    const file = join(folder.path, "large");
    fs.writeFileSync(file, "#".repeat(1024 * 1024 + 1));
    await expect(openGuestStore(file).read("")).rejects.toMatchObject({ code: "VM_INVALID" });
    await expect(openGuestStore(join(folder.path, "none")).read("")).rejects.toThrow(/no such file/);
  });
});
