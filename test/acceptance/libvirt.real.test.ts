/**
 * A guest of libvirt's: its XML through libvirt's own driver for Xen, and what that hands to libxl, with libxl's
 * arguments before it, to the program.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { programPath, ROOT, run, temporaryFolder } from "../program.ts";
import { makeSmallGuestFolder } from "./guest-disk.ts";
import { installRecord, writeRecord } from "./vm-records.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const set = { GUESTBOOT_STATE_DIR: at("state"), GUESTBOOT_STORE: "file", GUESTBOOT_LOG: "none" };
const DRIVER = "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_libxl.so";

beforeAll(() => {
  if (!fs.existsSync(DRIVER)) throw new Error(`${DRIVER} is missing: apt-get install libvirt-daemon-driver-xen`);
  makeSmallGuestFolder(at("guest"));
  makeFilesystemImage({ path: at("disk.img"), type: "ext4", sizeMiB: 8, folder: at("guest") });
  fs.mkdirSync(at("out"));
  const record = installRecord("http://nobody.example/", { PV_bootloader: "guestboot", PV_args: "from-the-record" });
  writeRecord(at("state"), { ...record, name_label: "guest one", other_config: {} });
});
afterAll(() => folder[Symbol.dispose]());

interface Made {
  readonly native: string;
  readonly libxl: { readonly b_info: Readonly<Record<string, { bootloader?: string; bootloader_args?: string[] }>> };
}

/** @param elements of the domain that are about its loader */
function throughLibvirt(elements: string): Made {
  const xml = `<domain type='xen'><name>guest one</name><memory unit='MiB'>512</memory>${elements}
    <os><type arch='x86_64' machine='xenpv'>linux</type></os>
    <devices><disk type='file' device='disk'><driver name='file' type='raw'/>
      <source file='${at("disk.img")}'/><target dev='xvda' bus='xen'/></disk></devices></domain>`;
  const printed = execFileSync("python3", [path.join(ROOT, "test/toolstack/libvirt.py")], {
    input: xml,
    encoding: "utf8",
  });
  return JSON.parse(printed) as Made;
}

/** The loader of the domain, as libxl is told of it. */
function loaderOf({ libxl }: Made): { bootloader: string; words: readonly string[] } {
  const { bootloader = "", bootloader_args: words = [] } = libxl.b_info["type.pv"] ?? {};
  return { bootloader, words };
}

/** As libxl calls it (CONTRACTS: libxl_bootloader.c's order), without a restricted user. */
function startAsLibxl(words: readonly string[]) {
  fs.writeFileSync(at("answer"), "");
  const own = [`--output=${at("answer")}`, "--output-format=simple0", `--output-directory=${at("out")}`];
  const ended = run(programPath("guestboot"), [...own, ...words, at("disk.img")], set);
  return { ...ended, answer: fs.readFileSync(at("answer"), "utf8").split("\0") };
}

const LOADER = "<bootloader>/usr/bin/guestboot</bootloader>";

describe("a domain of libvirt's with guestboot as its <bootloader>", () => {
  it("boots its disk, and is found by no name where none is given", () => {
    const { bootloader, words } = loaderOf(throughLibvirt(LOADER));
    expect([bootloader, words]).toEqual(["/usr/bin/guestboot", []]);
    const ended = startAsLibxl(words);
    expect(ended, ended.stderr).toMatchObject({ status: 0 });
    expect(ended.answer).toContain("args root=/dev/xvda1 ro quiet");
  });

  it.each([
    ["--vm=guest one", "root=/dev/xvda1 ro quiet from-the-record"],
    ["--vm=guest one --entry=1", "root=/dev/xvda1 ro single from-the-record"],
    ["\n      --entry=1\n      --vm=guest one\n    ", "root=/dev/xvda1 ro single from-the-record"],
    ["--vm=guest one --args=console=hvc0 -- quiet", "root=/dev/xvda1 ro quiet from-the-record console=hvc0 -- quiet"],
    ["-q --vm=guest one", "root=/dev/xvda1 ro quiet from-the-record"],
  ])("and %j as its <bootloader_args>, which are one word to libxl, is the VM that they name", (given, wanted) => {
    const { words } = loaderOf(throughLibvirt(`${LOADER}<bootloader_args>${given}</bootloader_args>`));
    // Should a later libvirt cut them: then they are the words that are meant, and need no cutting.
    expect(words).toEqual([given]);
    const ended = startAsLibxl(words);
    expect(ended, ended.stderr).toMatchObject({ status: 0 });
    expect(ended.answer).toContain(`args ${wanted}`);
  });

  it("keeps libxl's own words whole", () => {
    const ended = startAsLibxl(["--args=a --vm=nobody", "--entry=1"]);
    expect(ended, ended.stderr).toMatchObject({ status: 0 });
    expect(ended.answer).toContain("args root=/dev/xvda1 ro single a --vm=nobody");
  });

  it("becomes an xl config whose boot loader `guestboot vm` reads and flips", () => {
    const file = at("guest.cfg");
    fs.writeFileSync(file, throughLibvirt(LOADER).native);
    expect(run(programPath("guestboot"), ["vm", "show", file], set).stdout).toMatch(/^PV_bootloader +.*guestboot$/m);
    expect(run(programPath("guestboot"), ["vm", "finish", file], set)).toMatchObject({ status: 0, stderr: "" });
    expect(fs.readFileSync(file, "utf8")).toMatch(/^bootloader = ["'](?:.*\/)?pygrub["']$/m);
  });
});
