/**
 * `guestboot vm` as an admin types it: on records in files, in a guest's own file, and in a (simulated) xapi.
 */
import { execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { environment, programPath, run, start, temporaryFolder } from "../program.ts";
import { addVm, Failure, type SimulatedVm } from "../xapi/simulated-database.ts";
import { startSimulatedXapi, type SimulatedXapi } from "../xapi/simulated-xapi.ts";
import { installRecord, readRecord, VM, writeRecord, type RawRecord } from "./vm-records.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const state = at("state");
const images = at("images");
const set = { GUESTBOOT_STATE_DIR: state, GUESTBOOT_CACHE_DIR: at("cache"), GUESTBOOT_STORE: "file" };
const vm = (...argv: string[]) => run(programPath("guestboot"), ["vm", ...argv], set);

/** A repository of two files, named by the one who stages it. */
beforeAll(() => {
  const mirror = at("mirror/dists/bookworm/main/installer-amd64/current/images/netboot/xen");
  fs.mkdirSync(mirror, { recursive: true });
  fs.writeFileSync(path.join(mirror, "vmlinuz"), "a kernel");
  fs.writeFileSync(path.join(mirror, "initrd.gz"), "a ramdisk");
  const argv = ["prestage", "deb", at("mirror"), "--distro=debian", "--release=bookworm", `--dir=${images}`, "-q"];
  expect(run(programPath("guestboot"), argv, set)).toMatchObject({ status: 0, stderr: "" });
});
afterAll(() => folder[Symbol.dispose]());

const FIELDS: Readonly<Record<string, string>> = {
  "PV-bootloader": "PV_bootloader",
  "PV-bootloader-args": "PV_bootloader_args",
  "PV-args": "PV_args",
  "PV-kernel": "PV_kernel",
  "PV-ramdisk": "PV_ramdisk",
};

/** What bash calls `xe` with when it reads the lines that `--dry-run` printed. */
function callsOf(script: string): string[][] {
  const xe = `xe() { printf '%s\\0' "$@"; printf '\\1\\0'; }\n`;
  const output = execFileSync("bash", ["--noprofile", "--norc", "-c", xe + script], { encoding: "utf8" });
  const calls: string[][] = [[]];
  for (const word of output.split("\0").slice(0, -1)) {
    if (word === "\x01") calls.push([]);
    else calls.at(-1)?.push(word);
  }
  return calls.slice(0, -1);
}

/** The record after those calls, as xe's documentation has it. */
function afterCalls(record: RawRecord, calls: readonly string[][]): RawRecord {
  const changed: RawRecord = { ...record, other_config: { ...record.other_config } };
  for (const [command, uuid, word = "", key = ""] of calls) {
    expect(uuid).toBe(`uuid=${record["uuid"] as string}`);
    const [, name = "", value = ""] = /^(.*?)=(.*)$/s.exec(word) ?? [];
    const field = FIELDS[name];
    if (command === "vm-param-remove") {
      const config = Object.entries(changed.other_config).filter(([each]) => `param-key=${each}` !== key);
      changed.other_config = Object.fromEntries(config);
    } else if (name.startsWith("other-config:")) changed.other_config[name.slice("other-config:".length)] = value;
    else if (field !== undefined) changed[field] = value;
    else throw new Error(`xe ${String(command)} ${word}`);
  }
  return changed;
}

describe("guestboot vm on records in files", () => {
  const verbs = [
    ["finish", VM],
    ["reinstall", VM],
    ["use-image", VM, "deb", `--dir=${images}`],
    ["use-image", VM, "deb", `--dir=${images}`],
    ["finish", VM],
    ["reinstall", VM],
  ];

  it("does what --dry-run prints, through a VM's whole life, and --dry-run changes nothing", () => {
    const template = installRecord("http://me:s3cr3t@m.example/it's $HOME", { PV_args: "console=hvc0 x='a b'" });
    writeRecord(state, template);
    for (const argv of verbs) {
      const before = readRecord(state);
      const printed = vm(...argv, "--dry-run");
      expect(printed).toMatchObject({ status: 0, stderr: "" });
      expect(readRecord(state)).toEqual(before);
      expect(vm(...argv)).toMatchObject({ status: 0, stderr: "" });
      expect(readRecord(state)).toEqual(afterCalls(before, callsOf(printed.stdout)));
    }
    expect(readRecord(state)).toEqual(template);
  });

  it("prints the whole dance of --start, in which nothing follows a start that fails", () => {
    writeRecord(state, installRecord("http://m.example/"));
    const printed = vm("use-image", VM, "deb", `--dir=${images}`, "--start", "--dry-run");
    expect(printed).toMatchObject({ status: 0, stderr: "" });
    const names = callsOf(printed.stdout).map(([command]) => command);
    expect(names.filter((name) => name === "vm-start")).toHaveLength(1);
    const failing = `xe() { echo "$1 $3"; test "$1" != vm-start; }\n${printed.stdout}`;
    const seen = execFileSync("bash", ["-c", `${failing}\ntrue`], { encoding: "utf8" })
      .trim()
      .split("\n");
    expect(seen.at(-1)).toBe("vm-start");
    expect(seen).toContain("vm-param-set PV-bootloader=");
  });

  it("does not start a VM whose toolstack cannot be asked, and changes nothing then", () => {
    writeRecord(state, installRecord("http://m.example/"));
    const before = readRecord(state);
    const ended = vm("use-image", VM, "deb", `--dir=${images}`, "--start");
    expect(ended.status).toBe(1);
    expect(ended.stderr).toMatch(/--start is for VMs of xapi.*\n.*vm finish/);
    expect(readRecord(state)).toEqual(before);
  });

  it("shows no password, in words or as JSON", () => {
    const config = { "install-vncpasswd": "s3cr3t", "install-proxy": "http://me:s3cr3t@p:3128" };
    const record = installRecord("http://me:s3cr3t@x@m.example/debian", { PV_args: "vncpassword=s3cr3t" });
    writeRecord(state, { ...record, other_config: { ...record.other_config, ...config } });
    const [words, json] = [vm("show", VM), vm("show", VM, "--json")];
    expect(words.stdout).toMatch(/^install-repository +http:\/\/m\.example\/debian$/m);
    expect(words.stdout).toMatch(/^next start +installs debianlike bookworm amd64$/m);
    expect(JSON.parse(json.stdout)).toMatchObject({ next_start: "installs debianlike bookworm amd64" });
    expect(words.stdout + json.stdout).not.toContain("s3cr3t");
  });

  it.each([
    [["use-image", VM, "../../etc"], 2, /cannot be an image's name/],
    [["use-image", VM, "nosuch", `--dir=${images}`], 1, /no pre-staged image "nosuch".*\n.*there are: deb/],
    [["use-image", VM], 2, /NAME is missing/],
    [["finish"], 2, /uuid or name is missing/],
    [["finish", VM, "x"], 2, /one argument too many/],
    [["finish", VM, "--start"], 2, /vm finish takes no --start/],
    [["toString", VM], 2, /vm cannot "toString"/],
    [["finish", "nobody"], 1, /no record of a VM/],
  ] as const)("vm %j ends with %i", (argv, status, words) => {
    const ended = vm(...argv);
    expect(ended.status).toBe(status);
    expect(ended.stderr).toMatch(words);
  });
});

describe("guestboot vm on an xl guest's own file", () => {
  it("has it boot an image, and its disk again, every other line as it was", () => {
    const file = at("guest.cfg");
    const text = `# mine\nname = "guest"\nbootloader = "pygrub"\nmemory = 512\ndisk = [ 'phy:/dev/x,xvda,w' ]\n`;
    fs.writeFileSync(file, text);
    expect(vm("use-image", file, "deb", `--dir=${images}`)).toMatchObject({ status: 0, stderr: "" });
    expect(fs.readFileSync(file, "utf8")).toContain(`${fs.readlinkSync(path.join(images, "deb"))}/vmlinuz`);
    expect(vm("finish", file)).toMatchObject({ status: 0, stderr: "" });
    const after = fs.readFileSync(file, "utf8");
    expect(after).toMatch(/^bootloader = ["'](?:.*\/)?pygrub["']$/m);
    expect(after).not.toMatch(/^kernel|^ramdisk/m);
    for (const line of ["# mine", "memory = 512", "disk = [ 'phy:/dev/x,xvda,w' ]"]) expect(after).toContain(line);
  });
});

describe.each([
  ["an xl guest's file", 'name = "web"\nbootloader = "pygrub"\n'],
  ["an export of xend", "(domain (name web) (bootloader /usr/bin/pygrub) (image (linux (kernel ))))\n"],
])("guestboot vm reinstall of %s", (_what, text) => {
  it("says whose record can be told to install, and leaves the file as it is", () => {
    const file = at("guest-file");
    fs.writeFileSync(file, text);
    const ended = vm("reinstall", file, "--distro=sles");
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toMatch(/no place for an installation.*\n.*guestboot vm reinstall web/);
    expect(fs.readFileSync(file, "utf8")).toBe(text);
  });
});

describe("guestboot vm use-image --start on xapi", () => {
  let xapi: SimulatedXapi;
  let guest: SimulatedVm;
  const seen: Record<string, string>[] = [];
  const socket = at("xapi");
  const dance = () => {
    const argv = ["vm", "use-image", guest.uuid, "deb", `--dir=${images}`, "--start"];
    return start(programPath("guestboot"), argv, { ...set, GUESTBOOT_STORE: "xapi", GUESTBOOT_XAPI_SOCKET: socket });
  };
  const show = () => {
    const argv = ["vm", "show", guest.uuid];
    return start(programPath("guestboot"), argv, { ...set, GUESTBOOT_STORE: "xapi", GUESTBOOT_XAPI_SOCKET: socket });
  };

  beforeAll(async () => {
    xapi = await startSimulatedXapi({ socket });
  });
  afterAll(() => xapi[Symbol.asyncDispose]());

  function addGuest(): void {
    seen.length = 0;
    guest = addVm(xapi.database, {
      fields: { PV_bootloader: "eliloader", PV_args: "console=hvc0" },
      other_config: { "install-distro": "debianlike", "install-repository": "http://m.example/" },
      VBDs: [{ userdevice: "0", bootable: true }],
    });
    xapi.database.starting = (started) => void seen.push({ ...started.fields });
  }

  it("starts the VM from the image, and has its record boot the disk by the time it is told to be done", async () => {
    addGuest();
    expect(await dance()).toMatchObject({ status: 0, stderr: "" });
    const kernel = path.join(images, fs.readlinkSync(path.join(images, "deb")), "vmlinuz");
    expect(seen).toMatchObject([{ PV_bootloader: "", PV_kernel: kernel }]);
    expect(guest.power_state).toBe("Running");
    expect(guest.fields).toMatchObject({
      PV_bootloader: "pygrub",
      PV_kernel: "",
      PV_ramdisk: "",
      PV_args: "console=hvc0",
    });
    expect(guest.other_config.has("install-distro")).toBe(false);
    expect(xapi.database.sessions.size).toBe(0);
  });

  it("takes everything back when the VM does not start", async () => {
    addGuest();
    const config = Object.fromEntries(guest.other_config);
    xapi.database.starting = () => {
      throw new Failure("HOST_NOT_ENOUGH_FREE_MEMORY", "1", "0");
    };
    const ended = await dance();
    expect(ended.status).toBe(1);
    expect(ended.stderr).toContain("HOST_NOT_ENOUGH_FREE_MEMORY");
    expect(guest.fields).toMatchObject({ PV_bootloader: "eliloader", PV_kernel: "", PV_args: "console=hvc0" });
    expect(Object.fromEntries(guest.other_config)).toEqual(config);
  });

  it("killed while the VM starts, leaves a record that tells what to do, and that is enough", async () => {
    addGuest();
    const xapiSet = { ...set, GUESTBOOT_STORE: "xapi", GUESTBOOT_XAPI_SOCKET: socket };
    const argv = ["vm", "use-image", guest.uuid, "deb", `--dir=${images}`, "--start"];
    const child = spawn(programPath("guestboot"), argv, { env: environment(xapiSet), stdio: "ignore" });
    const ended = new Promise((resolve) => child.once("exit", (_status, signal) => resolve(signal)));
    xapi.database.starting = async () => {
      child.kill("SIGKILL");
      await ended;
    };
    expect(await ended).toBe("SIGKILL");
    expect((await show()).stdout).toMatch(/next start +boots .*pre-staged image.*guestboot vm finish/);
    expect(await start(programPath("guestboot"), ["vm", "finish", guest.uuid], xapiSet)).toMatchObject({ status: 0 });
    expect(guest.fields).toMatchObject({ PV_bootloader: "pygrub", PV_kernel: "", PV_args: "console=hvc0" });
  });

  it("says what to do when the record cannot be changed after the start", async () => {
    addGuest();
    xapi.database.starting = () => {
      xapi.database.before = ({ method }) => {
        if (method.startsWith("VM.set_") || method.includes("other_config"))
          throw new Failure("INTERNAL_ERROR", "full");
      };
    };
    const ended = await dance();
    xapi.database.before = () => undefined;
    expect(ended.status).toBe(1);
    expect(ended.stderr).toMatch(/was started from the image.*\n.*guestboot vm finish/);
    expect((await show()).stdout).toMatch(/next start +boots .*pre-staged image.*guestboot vm finish/);
  });
});
