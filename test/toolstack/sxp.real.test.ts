/**
 * xend's exports. xend is long gone; its reader of s-expressions is modelled here in Python, after its grammar: words,
 * quoted words with backslashes, lists.
 */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { changeBootText } from "../../src/toolstack/boot-text.ts";
import { parseSxpGuest, readSxp } from "../../src/toolstack/sxp.ts";
import { environment } from "../program.ts";

const EXPORT = `(domain
    (domid 3)
    (on_crash restart)
    (uuid 0c5e7b2a-1d3f-4a6b-8c9d-0123456789ab)
    (bootloader_args )
    (vcpus 1)
    (name sles10)
    (on_poweroff destroy)
    (bootloader /usr/lib/xen/boot/domUloader.py)
    (cpus (() ))
    (features )
    (image
        (linux
            (kernel )
            (args 'console=xvc0 "a b" it\\'s')
            (videoram 4)
            (device_model /usr/lib/xen/bin/qemu-dm)
        )
    )
    (status 2)
    (device (vbd (uuid 3b2d) (bootable 1) (dev xvda:disk) (uname phy:/dev/vg0/sles10) (mode w)))
    (device (vbd (dev xvdb:cdrom) (uname file:/srv/SLES.iso) (mode r) (bootable 0)))
    (device (vif (bridge xenbr0) (mac 00:16:3e:00:00:01)))
)
`;

function asXend(text: string): unknown {
  const program = `import sys, re, json
def read(tokens):
    out = []
    for t in tokens:
        if t == "(": out.append(read(tokens))
        elif t == ")": return out
        elif t[0] in "'\\"": out.append(re.sub(r"\\\\(.)", r"\\1", t[1:-1]))
        else: out.append(t)
    return out
print(json.dumps(read(iter(re.findall(r"""[()]|'(?:[^'\\\\]|\\\\.)*'|"(?:[^"\\\\]|\\\\.)*"|[^\\s()'"]+""", sys.stdin.read())))))`;
  const done = spawnSync("python3", ["-c", program], { input: text, encoding: "utf8", env: environment() });
  if (done.error !== undefined) throw new Error("python3 is missing: apt-get install python3", { cause: done.error });
  if (done.status !== 0) throw new Error(done.stderr);
  return JSON.parse(done.stdout);
}

/** The expected tree: that of the export with one list put in another's place. */
function withList(tree: unknown, key: string, list: unknown): unknown {
  if (!Array.isArray(tree)) return tree;
  return tree[0] === key ? list : tree.map((each: unknown) => withList(each, key, list));
}

describe("an export of xend", () => {
  it("is read as a record", () => {
    expect(parseSxpGuest(EXPORT).record).toEqual({
      uuid: "0c5e7b2a-1d3f-4a6b-8c9d-0123456789ab",
      name_label: "sles10",
      PV_bootloader: "domUloader.py",
      PV_bootloader_args: "",
      PV_args: `console=xvc0 "a b" it's`,
      PV_kernel: "",
      PV_ramdisk: "",
      other_config: {},
      VBDs: [
        { userdevice: "0", type: "Disk", bootable: true, mode: "RW" },
        { userdevice: "1", type: "CD", bootable: false, mode: "RO" },
      ],
    });
  });

  it("gets another boot loader, and all else is for xend as it was", () => {
    const changed = changeBootText(EXPORT, parseSxpGuest, [
      { kind: "field", field: "PV_bootloader", from: "domUloader.py", to: "/usr/bin/pygrub" },
    ]).text;
    expect(asXend(changed)).toEqual(withList(asXend(EXPORT), "bootloader", ["bootloader", "/usr/bin/pygrub"]));
    expect(changed.replace("/usr/bin/pygrub", "/usr/lib/xen/boot/domUloader.py")).toBe(EXPORT);
  });

  it("names a loader by its whole path, as xend must have it", () => {
    const none = EXPORT.replace(/ +\(bootloader .*\n/, "");
    const changed = parseSxpGuest(none).with("PV_bootloader", "pygrub");
    expect(asXend(changed)).toEqual(
      expect.arrayContaining([expect.arrayContaining([["bootloader", "/usr/bin/pygrub"]])]),
    );
    expect(parseSxpGuest(EXPORT).with("PV_bootloader", "pygrub")).toContain("(bootloader /usr/lib/xen/boot/pygrub)");
  });

  it.each([
    ["PV_args", "args", `root=/dev/xvda1 it's "so" \\ Zoë`],
    ["PV_bootloader_args", "bootloader_args", "--entry=xvda1:/boot/vmlinuz-xen,/boot/initrd-xen -q"],
    ["PV_kernel", "kernel", "/boot/vmlinuz"],
  ] as const)("gets %s that xend reads back", (field, key, value) => {
    const changed = parseSxpGuest(EXPORT).with(field, value);
    expect(asXend(changed)).toEqual(withList(asXend(EXPORT), key, [key, value]));
    expect(parseSxpGuest(changed).record[field]).toBe(value);
    const cleared = parseSxpGuest(changed).with(field, "");
    expect(asXend(cleared)).toEqual(withList(asXend(EXPORT), key, [key]));
  });

  it.each([
    ["(domain (name x)", /parenthesis at position 0 has no partner/],
    ["(domain (name x)))", /parenthesis at position 17 has no partner/],
    ["(domain (name 'x))", /quotation mark/],
    ["(vm (name x))", /no \(domain/],
    ["", /no \(domain/],
    [`${EXPORT}${EXPORT}`, /2 guests/],
    ["(".repeat(100_000), /deep/],
  ])("is refused when it is none: %.30s", (text, reason) => {
    expect(() => parseSxpGuest(text)).toThrow(reason);
    expect(() => parseSxpGuest(text)).toThrow(expect.objectContaining({ code: "VM_INVALID" }) as Error);
  });

  it("that never ends is given up", () => {
    expect(() => readSxp("() ".repeat(100_000))).toThrow(expect.objectContaining({ code: "BUDGET_EXCEEDED" }) as Error);
  });
});
