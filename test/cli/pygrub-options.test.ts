import { describe, expect, it } from "vitest";
import { PYGRUB_USAGE, readPygrubOptions, type PygrubBoot } from "../../src/cli/pygrub-options.ts";

function read(...argv: string[]): PygrubBoot {
  const options = readPygrubOptions(argv);
  if (options.help) throw new Error("help was asked for");
  return options;
}

const DEFAULTS: PygrubBoot = {
  help: false,
  disk: "/dev/sda",
  menu: true,
  interactive: false,
  listEntries: false,
  notReally: false,
  isConfig: false,
  debug: false,
  output: null,
  outputFormat: null,
  outputDirectory: null,
  kernel: null,
  ramdisk: null,
  args: "",
  entry: null,
  offset: null,
  runas: null,
  domid: null,
  vm: null,
  defaultArgs: null,
  extraArgs: null,
  guess: false,
  diskRenames: [],
};

describe("pygrub's command line", () => {
  it("needs nothing but a disk", () => {
    expect(read("/dev/sda")).toEqual(DEFAULTS);
  });

  it("is read as xenopsd sends it since August 2026", () => {
    expect(read("--output-format=simple", "-q", "--runas=65637", "", "/dev/sda")).toEqual({
      ...DEFAULTS,
      outputFormat: "simple",
      menu: false,
      runas: 65637,
    });
  });

  it("is read as xenopsd sent it from 2023 to 2026, should no wrapper turn --domid into --runas", () => {
    expect(read("--output-format=simple", "-q", "--domid=7", "/dev/sda")).toEqual({
      ...DEFAULTS,
      outputFormat: "simple",
      menu: false,
      domid: 7,
    });
  });

  it("is read as the old xapi sends it, empty values and all", () => {
    expect(read("-q", "--default_args=", "--extra_args=single", "--vm=", "/dev/sda")).toEqual({
      ...DEFAULTS,
      menu: false,
      defaultArgs: "",
      extraArgs: "single",
    });
  });

  it("is read as libxl sends it, with the guest's own bootloader_args at the end", () => {
    const argv =
      "--kernel=/k --ramdisk=/i --args=quiet --runas=5 --quiet --output=/run/o.1 --output-format=simple0 " +
      "--output-directory=/run/d --vm=web /dev/sda";
    expect(read(...argv.split(" "))).toEqual({
      ...DEFAULTS,
      kernel: "/k",
      ramdisk: "/i",
      args: "quiet",
      runas: 5,
      menu: false,
      output: "/run/o.1",
      outputFormat: "simple0",
      outputDirectory: "/run/d",
      vm: "web",
    });
  });

  it("takes domUloader's files for what they are, and everything else as an entry", () => {
    const entry = (value: string) => read(`--entry=${value}`, "/dev/sda").entry;
    expect(entry("xvda1:/boot/vmlinuz-xen,/boot/initrd-xen")).toEqual({
      kind: "files",
      device: "xvda1",
      kernel: "/boot/vmlinuz-xen",
      ramdisk: "/boot/initrd-xen",
    });
    expect(entry("/dev/xvda1:/vmlinuz")).toEqual({
      kind: "files",
      device: "/dev/xvda1",
      kernel: "/vmlinuz",
      ramdisk: null,
    });
    for (const wanted of ["2", "Linux 6.1", "Debian: the old one", "a b:/c", "xvda1:boot", ":/k", "", "1>2"]) {
      expect(entry(wanted)).toEqual({ kind: "entry", wanted });
    }
  });

  it("counts --args, --entry and the format given last", () => {
    const options = read("--args=a", "--entry=0", "--output-f=sxp", "--args=b", "/d", "--entry=1", "--output-f=simple");
    expect([options.args, options.entry, options.outputFormat]).toEqual([
      "b",
      { kind: "entry", wanted: "1" },
      "simple",
    ]);
  });

  it("shows a menu unless the last of -q, -i and --entry says otherwise", () => {
    expect(read("d").menu).toBe(true);
    expect(read("-q", "d").menu).toBe(false);
    expect(read("--entry=0", "d").menu).toBe(false);
    expect(read("-q", "-i", "d").menu).toBe(true);
    expect(read("-i", "-q", "d").menu).toBe(false);
  });

  it("takes the first operand as the disk, whatever stands before it", () => {
    expect(read("", "first", "second", "-n").disk).toBe("first");
    expect(read("--", "-q").disk).toBe("-q");
  });

  it("takes - as standard output and an empty kernel as none", () => {
    expect(read("--output=-", "--kernel=", "d")).toMatchObject({ output: null, kernel: null });
  });

  it("keeps the prefixes of upstream: --d is --debug, --e is --entry, --de is no --default_args", () => {
    expect(read("--d", "--e", "0", "d")).toMatchObject({ debug: true, domid: null, entry: { wanted: "0" } });
    expect(read("--de", "d").debug).toBe(true);
  });

  it.each([
    [[], "no disk was given"],
    [["-q", ""], "no disk was given"],
    [["--runas=abc", "-q", "d"], "--runas=abc: must be a whole number from 0 to 4294967294"],
    [["--runas=-1", "-q", "d"], "--runas=-1: must be a whole number from 0 to 4294967294"],
    [["--runas=4294967295", "-q", "d"], "--runas=4294967295: must be a whole number from 0 to 4294967294"],
    [["--runas=bad", "--runas=5", "-q", "d"], "--runas=bad: must be a whole number from 0 to 4294967294"],
    [["--domid=32752", "-q", "d"], "--domid=32752: must be a whole number from 0 to 32751"],
    [["--offset=0x10", "d"], "--offset=0x10: must be a whole number from 0 to 9007199254740991"],
    [
      ["--offset=9007199254740992", "d"],
      "--offset=9007199254740992: must be a whole number from 0 to 9007199254740991",
    ],
    [["--output-format=simpl", "d"], 'unknown output format "simpl": sxp, simple and simple0 are known'],
    [["--runas=5", "-i", "d"], "--runas cannot be had with a menu: give -q or --entry too, and no -i after it"],
    [["--runas=5", "d"], "--runas cannot be had with a menu: give -q or --entry too, and no -i after it"],
    [["--domid=5", "d"], "--domid cannot be had with a menu: give -q or --entry too, and no -i after it"],
    [["--vm", "d", "--unknown"], "there is no option --unknown"],
  ])("refuses %j as wrong usage", (argv, message) => {
    expect(() => readPygrubOptions(argv)).toThrow(expect.objectContaining({ code: "USAGE", message }));
  });

  it("gives help without a disk", () => {
    expect(readPygrubOptions(["-h"])).toEqual({ help: true });
    expect(readPygrubOptions(["-q", "--help", "d"])).toEqual({ help: true });
  });

  it("names every option in the usage text", () => {
    const names =
      "quiet interactive list-entries not-really output output-format output-directory kernel ramdisk args entry " +
      "offset runas domid isconfig debug help vm default_args extra_args";
    for (const name of names.split(" ")) expect(PYGRUB_USAGE).toMatch(new RegExp(`--${name}\\b`));
  });
});

describe("what upstream does not have", () => {
  it("--map-disk may be given for several disks", () => {
    expect(read("--map-disk=hda=xvda", "--map-disk", "hdb=xvdb", "/dev/sda").diskRenames).toEqual([
      { from: "hda", to: "xvda" },
      { from: "hdb", to: "xvdb" },
    ]);
    expect(() => read("--map-disk=hda", "/dev/sda")).toThrow(/must name two disks/);
  });

  it("--guess is asked for", () => {
    expect(read("--guess", "/dev/sda").guess).toBe(true);
    expect(read("/dev/sda").guess).toBe(false);
  });

  it("its names cannot be cut short, so that upstream's can", () => {
    expect(() => read("--gue", "/dev/sda")).toThrow(/no option --gue/);
    expect(() => read("--map=hda=xvda", "/dev/sda")).toThrow(/no option --map/);
  });
});
