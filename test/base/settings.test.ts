import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_READ_LIMITS } from "../../src/base/limits.ts";
import { readSettings } from "../../src/base/settings.ts";

let folder = "";
let file = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "guestboot-settings-"));
  file = join(folder, "guestboot.conf");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(text: string, environment: Record<string, string> = {}) {
  writeFileSync(file, text);
  return readSettings(environment, file);
}

const DEFAULTS = {
  stateFolder: "/var/lib/guestboot",
  cacheFolder: null,
  bootFolder: null,
  eliloaderOutput: null,
  guestInstallerFolder: "/opt/xensource/packages/files/guest-installer",
  repositories: [],
  toolstack: { store: null, socket: null, remote: null, timeoutSeconds: 30 },
  trust: [],
  cache: { freshFor: 0, offline: false, maxSize: null },
  maxFileSize: 128 * 1024 * 1024,
  maxInitrdSize: 1024 ** 3,
  limits: DEFAULT_READ_LIMITS,
  log: { form: "syslog", socket: "/dev/log" },
  warnings: [],
};

describe("the host's settings", () => {
  it("have defaults, which hold where there is no file", async () => {
    expect(await readSettings({}, join(folder, "missing.conf"))).toEqual(DEFAULTS);
    expect(await readSettings({}, join(folder, "missing", "guestboot.conf"))).toEqual(DEFAULTS);
    expect(await read("")).toEqual(DEFAULTS);
  });

  it("are read from the file, comments and blanks ignored", async () => {
    const text = `; a host
[folders]
state = /srv/state   # ours
cache=/srv/cache
boot = "/srv/boot with blank"

[eliloader]
output = sxp
[limits]
max-file-size-mb = 64
max-ram-usage-mb=512
max-initrd-mb = 16
[log]
log = json
socket = /run/log
`;
    expect(await read(`\ufeff${text}`)).toEqual({
      ...DEFAULTS,
      stateFolder: "/srv/state",
      cacheFolder: "/srv/cache",
      bootFolder: "/srv/boot with blank",
      eliloaderOutput: "sxp",
      maxFileSize: 67_108_864,
      maxInitrdSize: 16_777_216,
      limits: { ...DEFAULT_READ_LIMITS, memory: 536_870_912 },
      log: { form: "json", socket: "/run/log" },
      warnings: [],
    });
  });

  it("are taken from the environment first, where a variable is not empty", async () => {
    const text = "[folders]\nstate=/a\ncache=/b\nboot=/c\n[limits]\nmax-file-size-mb=1\nmax-ram-usage-mb=2\n";
    const environment = {
      GUESTBOOT_STATE_DIR: "/x",
      GUESTBOOT_CACHE_DIR: "/y",
      GUESTBOOT_BOOT_DIR: "",
      PYGRUB_MAX_FILE_SIZE_MB: "3",
      PYGRUB_MAX_RAM_USAGE_MB: "4",
      GUESTBOOT_MAX_INITRD_MB: "5",
    };
    expect(await read(text, environment)).toMatchObject({
      stateFolder: "/x",
      cacheFolder: "/y",
      bootFolder: "/c",
      maxFileSize: 3 * 1024 * 1024,
      maxInitrdSize: 5 * 1024 * 1024,
      limits: { ...DEFAULT_READ_LIMITS, memory: 4 * 1024 * 1024 },
    });
  });

  it.each([
    ["[folders]\nstate = srv", `[folders] state = srv: must be a folder's absolute path, one that starts with "/"`],
    ["[folders]\nboot =", `[folders] boot = : must be a folder's absolute path, one that starts with "/"`],
    ["[folders]\ncache", `[folders] cache = true: must be a folder's absolute path, one that starts with "/"`],
    ["[eliloader]\noutput = xml", "[eliloader] output = xml: must be sxp, simple or simple0"],
    ["[limits]\nmax-file-size-mb = 0", "max-file-size-mb = 0: must be a whole number of megabytes from 1 to 1048576"],
    ["[limits]\nmax-ram-usage-mb = 1.5", "max-ram-usage-mb = 1.5: must be a whole number of megabytes from 1 to"],
    ["[limits]\nmax-ram-usage-mb = 99999999999", "must be a whole number of megabytes from 1 to 1048576"],
  ])("are refused with the file's name, the key and what is allowed: %j", async (text, message) => {
    const failure = expect.objectContaining({
      code: "SETTINGS_INVALID",
      message: expect.stringContaining(message) as string,
    }) as Error;
    await expect(read(text)).rejects.toThrow(failure);
    await expect(read(text)).rejects.toThrow(file);
  });

  it("are refused with the variable's name", async () => {
    await expect(readSettings({ PYGRUB_MAX_FILE_SIZE_MB: "lots" }, join(folder, "missing"))).rejects.toThrow(
      "PYGRUB_MAX_FILE_SIZE_MB=lots: must be a whole number of megabytes",
    );
    await expect(readSettings({ GUESTBOOT_STATE_DIR: "./state" }, join(folder, "missing"))).rejects.toThrow(
      "GUESTBOOT_STATE_DIR=./state: must be a folder's absolute path",
    );
  });

  it("warn of sections and keys that nobody reads, and keep the others", async () => {
    const settings = await read("stray = 1\n[folders]\nstat = /a\nstate = /b\n[cloud]\nx = 1\n");
    expect(settings.stateFolder).toBe("/b");
    expect(settings.warnings).toEqual([
      `${file}: "stray" stands in no section and is ignored`,
      `${file}: [folders] has no key "stat"; it is ignored`,
      `${file}: there is no section [cloud]; it is ignored`,
    ]);
  });

  it("say so when the file is a folder or far too large", async () => {
    await expect(readSettings({}, folder)).rejects.toThrow(`${folder} is not a regular file`);
    await expect(read("#".repeat(65_537))).rejects.toThrow("65537 bytes, at most 65536 are read");
  });

  it("say how long a cached copy is fresh, how large the cache may get, and whether anything is asked", async () => {
    const text = "[cache]\nfresh-for = 1h\nmax-size = 20G\noffline = yes\n";
    expect((await read(text)).cache).toEqual({ freshFor: 3600, offline: true, maxSize: 20 * 1024 ** 3 });
    expect((await read(text, { GUESTBOOT_CACHE_FRESH_FOR: "0", GUESTBOOT_OFFLINE: "no" })).cache).toMatchObject({
      freshFor: 0,
      offline: false,
    });
    for (const wrong of ["fresh-for = soon", "max-size = -1", "offline = maybe"]) {
      await expect(read(`[cache]\n${wrong}\n`)).rejects.toMatchObject({ code: "SETTINGS_INVALID" });
    }
  });
});
