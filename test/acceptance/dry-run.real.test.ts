/**
 * `--dry-run` of each `guestboot vm` command, held against xapi: of two VMs alike, one is changed by the command and the
 * other by the printed lines, typed into a shell with an `xe` that speaks XML-RPC. And the lines that documents show.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT, temporaryFolder } from "../program.ts";
import { addVm, type SimulatedVm, type VmWanted } from "../xapi/simulated-database.ts";
import { stageDebian, startXapiHost, stateOf, type XapiHost } from "./xe-on-xapi.ts";

const folder = temporaryFolder();
const images = path.join(folder.path, "images");
let host: XapiHost;

beforeAll(async () => {
  host = await startXapiHost(folder.path);
  await stageDebian(folder.path, images, host.settings);
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const GUESTS: Readonly<Record<string, VmWanted>> = {
  "a template over the network, with words that a shell could take for its own": {
    name_label: "it's $HOME",
    fields: { PV_bootloader: "eliloader", PV_args: "console=hvc0 x='a b' \"$(id)\" `id` \\ 日本 \u{1b}[31m" },
    other_config: {
      "install-distro": "debianlike",
      "install-repository": "http://me:s3cr3t@m.example/it's $HOME",
      "install-round": "1",
    },
    VBDs: [{ userdevice: "0", bootable: true }],
  },
  "a template from a medium": {
    fields: { PV_bootloader: "eliloader" },
    other_config: { "install-distro": "rhlike", "install-repository": "cdrom" },
    VBDs: [{ userdevice: "0" }, { userdevice: "3", type: "CD", bootable: true }, { userdevice: "1", bootable: true }],
  },
  "a guest that eliloader has installed, with the words of its second round": {
    fields: { PV_bootloader: "pygrub", PV_bootloader_args: "--kernel /boot/vmlinuz-xen --ramdisk /boot/initrd-xen" },
    other_config: { "install-repository": "cdrom", "install-methods": "cdrom,nfs" },
    VBDs: [
      { userdevice: "0", bootable: true },
      { userdevice: "3", type: "CD" },
    ],
  },
};

/** One after the other on the same guest. */
const LIFE: readonly (readonly [string, ...string[]])[] = [
  ["reinstall", "--distro=sleslike"],
  ["finish"],
  ["use-image", "debian12", `--dir=${images}`],
  ["reinstall", "--distro=debianlike"],
  ["use-image", "debian12", `--dir=${images}`, "--start"],
  ["reinstall", "--distro=rhlike"],
];

describe.each(Object.entries(GUESTS))("%s", (_name, wanted) => {
  it("is changed by the printed commands just as by the real ones, all its life", async () => {
    const { database } = host.xapi;
    const [ours, theirs] = [addVm(database, wanted), addVm(database, wanted)];
    const of = (vm: SimulatedVm, [verb, ...rest]: (typeof LIFE)[number]) => [verb, vm.uuid, ...rest];
    for (const command of LIFE) {
      const where = command.join(" ");
      const before = stateOf(host.xapi, theirs);
      const printed = await host.vm(...of(theirs, command), "--dry-run");
      expect(printed, where).toMatchObject({ status: 0, stderr: "" });
      expect(printed.stdout, where).toMatch(/^xe /);
      expect(stateOf(host.xapi, theirs), `${where} --dry-run`).toEqual(before);
      expect(await host.type(printed.stdout), where).toMatchObject({ status: 0, stderr: "" });
      expect(await host.vm(...of(ours, command)), where).toMatchObject({ status: 0, stderr: "" });
      expect(stateOf(host.xapi, theirs), where).toEqual(stateOf(host.xapi, ours));
      expect(stateOf(host.xapi, theirs), where).not.toEqual(before);
      for (const vm of [ours, theirs]) vm.power_state = "Halted";
    }
    const [shown, alike] = [await host.vm("show", ours.uuid), await host.vm("show", theirs.uuid)];
    expect(alike.stdout.replaceAll(theirs.uuid, ours.uuid)).toBe(shown.stdout);
  }, 240_000);
});

it("typed lines stop at a start that fails: the VM is not handed to a disk with nothing on it", async () => {
  const vm = addVm(host.xapi.database, Object.values(GUESTS)[0]);
  const printed = await host.vm("use-image", vm.uuid, "debian12", `--dir=${images}`, "--start", "--dry-run");
  host.xapi.database.starting = () => Promise.reject(new Error("no memory"));
  expect((await host.type(printed.stdout)).status).not.toBe(0);
  host.xapi.database.starting = () => undefined;
  expect(vm.fields).toMatchObject({ PV_bootloader: "", PV_kernel: expect.stringContaining("vmlinuz") as unknown });
});

it("an image is named by its whole path, wherever the command is called", async () => {
  const vm = addVm(host.xapi.database, Object.values(GUESTS)[0]);
  const relative = path.relative(process.cwd(), images);
  const printed = await host.vm("use-image", vm.uuid, "debian12", `--dir=${relative}`, "--dry-run");
  expect(printed.stdout).toContain(` PV-kernel=${images}/`);
});

/** In a document: a command as it is typed, and the lines of xe below it. */
interface Shown {
  readonly argv: readonly string[];
  readonly lines: readonly string[];
}

function shownIn(text: string): Shown[] {
  return [...text.matchAll(/^\$ guestboot vm (.* --dry-run)\n((?:(?!\$|```).*\n)+)/gm)].map(
    ([, words = "", lines = ""]) => ({ argv: words.split(" "), lines: lines.trimEnd().split("\n") }),
  );
}

describe("the lines of xe in the documents", () => {
  const documents = ["README.md", ...fs.readdirSync(path.join(ROOT, "docs")).map((name) => `docs/${name}`)];
  const texts = documents.map((name) => fs.readFileSync(path.join(ROOT, name), "utf8"));
  const shown = texts.flatMap(shownIn);

  it("all stand below the command that printed them", () => {
    const all = texts.flatMap((text) => text.split("\n").filter((line) => /^\W*xe [a-z]/.test(line)));
    expect(all.length).toBeGreaterThan(5);
    expect(shown.flatMap(({ lines }) => lines)).toEqual(all);
  });

  it("are what --dry-run prints for the README's VM, one after the other", async () => {
    const json = /```json\n(\{\n {2}"uuid"[\s\S]*?)```/.exec(texts[0] ?? "")?.[1] ?? "";
    const record = JSON.parse(json) as Record<string, string> & Pick<VmWanted, "other_config" | "VBDs" | "uuid">;
    const { PV_bootloader = "", PV_args = "" } = record;
    const vm = addVm(host.xapi.database, { ...record, fields: { PV_bootloader, PV_args } });
    for (const { argv, lines } of shown) {
      const printed = await host.vm(...argv, ...(argv[0] === "use-image" ? [`--dir=${images}`] : []));
      // Their place is the host's, and their name has the digest of what is in them.
      const asShown = printed.stdout
        .replaceAll(images, "/var/lib/xcp/guest")
        .replaceAll(/(\.debian12\.)\w{16}/g, "$1…");
      expect(asShown.trimEnd().split("\n")).toEqual(lines);
      expect(await host.type(printed.stdout)).toMatchObject({ status: 0, stderr: "" });
    }
    expect(shown.map(({ argv: [verb] }) => verb)).toEqual(["finish", "reinstall", "use-image"]);
    expect(vm.power_state).toBe("Running");
    expect((await host.vm("show", vm.uuid)).stdout).toMatch(/^next start +boots from its own disk$/m);
  });
});
