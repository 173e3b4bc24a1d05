import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openFileStore } from "../../src/toolstack/file-store.ts";
import { inverseOf, type RecordChange } from "../../src/toolstack/vm-record.ts";

const UUID = "0f3a1b2c-1111-2222-3333-444455556666";
const OTHER = "0f3a1b2c-1111-2222-3333-444455557777";
const TO_PYGRUB: RecordChange = { kind: "field", field: "PV_bootloader", from: "eliloader", to: "pygrub" };
let state = "";
let vms = "";

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), "guestboot-state-"));
  vms = join(state, "vms");
  mkdirSync(vms);
});
afterEach(() => rmSync(state, { recursive: true, force: true }));

function put(uuid: string, content: unknown): string {
  const file = join(vms, `${uuid}.json`);
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

function failure(code: string, ...parts: string[]): Error {
  const message = new RegExp(parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*"), "s");
  return expect.objectContaining({ code, message: expect.stringMatching(message) as string }) as Error;
}

describe("reading a VM's record from its file", () => {
  it("gives XenAPI's defaults for everything but the uuid", async () => {
    put(UUID, { uuid: UUID, VBDs: [{ userdevice: "0" }] });
    expect(await openFileStore(state).read(UUID)).toEqual({
      uuid: UUID,
      name_label: "",
      PV_bootloader: "",
      PV_bootloader_args: "",
      PV_args: "",
      PV_kernel: "",
      PV_ramdisk: "",
      other_config: {},
      VBDs: [{ userdevice: "0", type: "Disk", bootable: false }],
    });
  });

  it("finds the VM by its uuid in either case, or by a name that is its own", async () => {
    put(UUID, { uuid: UUID, name_label: "web/1 ../x" });
    put(OTHER, { uuid: OTHER, name_label: "db" });
    const store = openFileStore(state);
    for (const id of [UUID, UUID.toUpperCase(), "web/1 ../x"]) expect((await store.read(id)).uuid).toBe(UUID);
    expect((await store.read("db")).uuid).toBe(OTHER);
  });

  it("names both VMs when two have the name", async () => {
    put(UUID, { uuid: UUID, name_label: "web" });
    put(OTHER, { uuid: OTHER, name_label: "web" });
    await expect(openFileStore(state).read("web")).rejects.toThrow(failure("VM_UNKNOWN", `${UUID}, ${OTHER}`));
  });

  it("never makes a path of an id that is no uuid", async () => {
    writeFileSync(join(state, "x.json"), JSON.stringify({ uuid: "x", name_label: "x" }));
    writeFileSync(join(vms, "y.json"), JSON.stringify({ uuid: "y", name_label: "y" }));
    put(UUID, { uuid: UUID });
    for (const id of ["../x", "x", "y", "", ".", "/", `${vms}/${UUID}`, `../vms/${UUID}`, `${UUID}\0`, `${UUID}\n`]) {
      await expect(openFileStore(state).read(id)).rejects.toThrow(failure("VM_UNKNOWN", JSON.stringify(id), vms));
    }
  });

  it("says where it looked and how to change that", async () => {
    await expect(openFileStore("/nonexistent").read(UUID)).rejects.toThrow(
      expect.objectContaining({
        code: "VM_UNKNOWN",
        message: `no record of a VM "${UUID}" in /nonexistent/vms: there is no such folder`,
        hint: expect.stringContaining("GUESTBOOT_STATE_DIR") as string,
      }),
    );
  });

  it("is not kept from it by another VM's damaged record, but names that when nothing is found", async () => {
    put(OTHER, "{");
    put(UUID, { uuid: UUID, name_label: "web" });
    expect((await openFileStore(state).read("web")).uuid).toBe(UUID);
    await expect(openFileStore(state).read("db")).rejects.toThrow(failure("VM_UNKNOWN", "unreadable", OTHER));
  });

  it.each([
    [{ uuid: UUID, PV_args: 5 }, "PV_args must be string, is 5"],
    [{ uuid: UUID, other_config: { "install-round": 1 } }, "other_config.install-round must be string, is 1"],
    [{ uuid: UUID, other_config: [] }, "other_config must be Object, is Array"],
    [{ uuid: UUID, VBDs: [{ type: "Disk" }] }, "VBDs.0.userdevice is missing"],
    [
      { uuid: UUID, VBDs: [{ userdevice: "0", type: "Tape" }] },
      'VBDs.0.type must be ("Disk" | "CD" | "Floppy"), is "Tape"',
    ],
    [{ uuid: UUID, VBDs: [{ userdevice: "0", bootable: "true" }] }, 'VBDs.0.bootable must be boolean, is "true"'],
    [{ name_label: "x" }, "uuid is missing"],
    [{ uuid: OTHER }, `uuid must be as the file's name says, is "${OTHER}"`],
    ["[]", "must be one JSON object"],
    ["null", "must be one JSON object"],
    ["{", "is not JSON"],
    ["", "is not JSON"],
    [`"${"x".repeat(1024 * 1024)}"`, "has 1048578 bytes; a VM's record has at most 1048576"],
  ])("names file and field of what is wrong: %#", async (content, message) => {
    const file = put(UUID, content);
    await expect(openFileStore(state).read(UUID)).rejects.toThrow(failure("VM_INVALID", file, message));
  });

  it("refuses what is no plain file of UTF-8", async () => {
    const file = put(UUID, { uuid: UUID });
    renameSync(file, join(state, "elsewhere"));
    symlinkSync(join(state, "elsewhere"), file);
    await expect(openFileStore(state).read(UUID)).rejects.toThrow(failure("VM_INVALID", file, "symbolic link"));
    rmSync(file);
    mkdirSync(file);
    await expect(openFileStore(state).read(UUID)).rejects.toThrow(failure("VM_INVALID", file, "not a regular file"));
    rmSync(file, { recursive: true });
    writeFileSync(file, Uint8Array.of(0x22, 0xff, 0x22));
    await expect(openFileStore(state).read(UUID)).rejects.toThrow(failure("VM_INVALID", file, "cannot be read"));
  });
});

describe("changing a VM's record in its file", () => {
  it("keeps what it does not know, numbers to the last digit, the order, and the file's mode", async () => {
    const file = put(
      UUID,
      `{"zeta": {"__proto__": 1}, "memory": 18446744073709551616, "ratio": 1.0, "uuid": "${UUID}",
        "other_config": {"install-distro": "debianlike", "b": "1", "__proto__": "kept", "a": "2"},
        "PV_bootloader": "eliloader",
        "VBDs": [{"VDI": "x", "userdevice": "0"}, {"userdevice": "3", "type": "CD", "bootable": true, "empty": false}]}`,
    );
    chmodSync(file, 0o640);
    await openFileStore(state).apply(UUID, [
      TO_PYGRUB,
      { kind: "other_config", key: "install-distro", from: "debianlike", to: null },
      { kind: "other_config", key: "b", from: "1", to: "3" },
      { kind: "other_config", key: "new", from: null, to: "4" },
      { kind: "field", field: "PV_args", from: "", to: "quiet" },
      { kind: "bootable", userdevice: "0", from: false, to: true },
      { kind: "bootable", userdevice: "3", from: true, to: false },
    ]);
    expect(readFileSync(file, "utf8").replaceAll(/\s*\n\s*/g, "")).toBe(
      `{"zeta": {"__proto__": 1},"memory": 18446744073709551616,"ratio": 1.0,"uuid": "${UUID}",` +
        `"other_config": {"b": "3","__proto__": "kept","a": "2","new": "4"},` +
        `"PV_bootloader": "pygrub",` +
        `"VBDs": [{"VDI": "x","userdevice": "0","bootable": true},` +
        `{"userdevice": "3","type": "CD","bootable": false,"empty": false}],"PV_args": "quiet"}`,
    );
    expect(statSync(file).mode & 0o7777).toBe(0o640);
    expect(readdirSync(vms).sort()).toEqual([`.${UUID}.lock`, `${UUID}.json`]);
  });

  it("applies all of the changes or none", async () => {
    const file = put(UUID, { uuid: UUID, PV_bootloader: "eliloader" });
    const before = readFileSync(file, "utf8");
    const stale: RecordChange = { kind: "other_config", key: "a", from: "1", to: "2" };
    await expect(openFileStore(state).apply(UUID, [TO_PYGRUB, stale])).rejects.toThrow(failure("VM_CHANGED", UUID));
    expect(readFileSync(file, "utf8")).toBe(before);
  });

  it("leaves the file alone when everything stands already", async () => {
    const file = put(UUID, { uuid: UUID, PV_bootloader: "pygrub", name_label: "web" });
    const before = statSync(file, { bigint: true });
    await openFileStore(state).apply("web", [TO_PYGRUB]);
    expect(statSync(file, { bigint: true }).ino).toBe(before.ino);
  });

  it("uses up the temporary file that a killed start left", async () => {
    const file = put(UUID, { uuid: UUID, PV_bootloader: "eliloader" });
    writeFileSync(join(vms, `.${UUID}.json.new`), "x".repeat(10_000), { mode: 0o777 });
    await openFileStore(state).apply(UUID, [TO_PYGRUB]);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ uuid: UUID, PV_bootloader: "pygrub" });
    expect(readdirSync(vms)).not.toContain(`.${UUID}.json.new`);
  });

  it("does not know a VM whose record is gone", async () => {
    await expect(openFileStore(state).apply(UUID, [TO_PYGRUB])).rejects.toThrow(failure("VM_UNKNOWN", UUID, vms));
  });
});

describe("a disk of a VM", () => {
  const disks = [
    { userdevice: "0", bootable: true, VDI: "system" },
    { userdevice: "1", mode: "RO", VDI: "updates", other_config: { owner: "" } },
    { userdevice: "2", VDI: "data", size: 1 },
  ];
  const extra = { userdevice: "1", type: "Disk", bootable: false, mode: "RO" } as const;
  const detach: RecordChange = { kind: "disk", userdevice: "1", from: extra, to: null };
  const toFalse: RecordChange = { kind: "bootable", userdevice: "0", from: true, to: false };
  const written = (file: string) => (JSON.parse(readFileSync(file, "utf8")) as { VBDs: unknown }).VBDs;

  it("is taken away alone, and what others keep of theirs stays", async () => {
    const file = put(UUID, { uuid: UUID, VBDs: disks });
    const store = openFileStore(state);
    await store.apply(UUID, [detach, toFalse]);
    expect(written(file)).toEqual([{ ...disks[0], bootable: false }, disks[2]]);
    expect((await store.read(UUID)).VBDs.map((vbd) => vbd.userdevice)).toEqual(["0", "2"]);
  });

  it("is given back in its place with all that the file said of it", async () => {
    const file = put(UUID, { uuid: UUID, VBDs: disks });
    const before = readFileSync(file, "utf8");
    const store = openFileStore(state);
    const made = await store.apply(UUID, [detach, toFalse]);
    await store.apply(UUID, inverseOf(made));
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(JSON.parse(before));
  });

  it("that was gone already is not given back when a start is taken back", async () => {
    put(UUID, { uuid: UUID, VBDs: disks.slice(0, 1) });
    const store = openFileStore(state);
    expect(await store.apply(UUID, [detach])).toEqual([]);
  });

  it("must be writable or not, in XenAPI's words", async () => {
    put(UUID, { uuid: UUID, VBDs: [{ userdevice: "0", mode: "ro" }] });
    await expect(openFileStore(state).read(UUID)).rejects.toEqual(failure("VM_INVALID", "VBDs.0.mode"));
  });
});
