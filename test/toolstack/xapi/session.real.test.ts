/** Sessions over both wire formats, over TLS, and with hosts that say that they are somebody else. */
import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readSettings } from "../../../src/base/settings.ts";
import { openRecordStore, xapiLogin } from "../../../src/toolstack/choose-store.ts";
import type { RecordChange } from "../../../src/toolstack/vm-record.ts";
import { openXapiStore } from "../../../src/toolstack/xapi/xapi-store.ts";
import { openSession } from "../../../src/toolstack/xapi/session.ts";
import { environment, temporaryFolder } from "../../program.ts";
import { addVm, Failure, makeDatabase } from "../../xapi/simulated-database.ts";
import { startSimulatedXapi } from "../../xapi/simulated-xapi.ts";

let folder: ReturnType<typeof temporaryFolder>;
let tls = { key: "", cert: "" };
let fingerprint = "";

beforeAll(() => {
  folder = temporaryFolder();
  const key = join(folder.path, "key.pem");
  const cert = join(folder.path, "cert.pem");
  const words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1";
  const made = spawnSync("openssl", [...words.split(" "), "-keyout", key, "-out", cert], { env: environment() });
  if (made.error !== undefined) throw new Error("openssl is missing: apt-get install openssl", { cause: made.error });
  tls = { key: fs.readFileSync(key, "utf8"), cert: fs.readFileSync(cert, "utf8") };
  fingerprint = new X509Certificate(tls.cert).fingerprint256;
});
afterAll(() => folder[Symbol.dispose]());

const NAMES = { name_label: `<a> & "b" 'c' \t Zoë \u{1f600}`, other_config: { "install-distro": "rhlike", empty: "" } };
const FLIP: readonly RecordChange[] = [
  { kind: "field", field: "PV_bootloader", from: "", to: "pygrub" },
  { kind: "other_config", key: "install-distro", from: "rhlike", to: null },
  { kind: "other_config", key: "k<&>", from: null, to: `<a> & "b" 'c' \t Zoë \u{1f600}\n` },
];

describe("both wire formats", () => {
  it.each([false, true])("carry a record and its changes whole (XML-RPC only: %s)", async (xmlOnly) => {
    const socket = join(folder.path, `format-${String(xmlOnly)}`);
    await using xapi = await startSimulatedXapi({ socket, xmlOnly });
    const vm = addVm(xapi.database, { ...NAMES, VBDs: [{ userdevice: "0" }] });
    await using store = openXapiStore({
      address: { kind: "socket", path: socket },
      user: "",
      password: "",
      timeoutSeconds: 30,
    });
    const record = await store.read(NAMES.name_label);
    expect(record).toMatchObject({ ...NAMES, uuid: vm.uuid });
    await store.apply(vm.uuid, FLIP);
    expect(vm.fields["PV_bootloader"]).toBe("pygrub");
    expect(vm.other_config.get("k<&>")).toBe(`<a> & "b" 'c' \t Zoë \u{1f600}\n`);
    expect(vm.other_config.has("install-distro")).toBe(false);
    await expect(store.read("0c5e7b2a-1d3f-4a6b-8c9d-000000000000")).rejects.toMatchObject({ code: "VM_UNKNOWN" });
  });
});

describe("a session", () => {
  it("that xapi has ended is opened anew, and every one is closed", async () => {
    const socket = join(folder.path, "invalid");
    await using xapi = await startSimulatedXapi({ socket });
    const vm = addVm(xapi.database, NAMES);
    let calls = 0;
    xapi.database.before = () => {
      calls += 1;
      if (calls % 7 === 0) xapi.database.sessions.clear();
    };
    {
      await using store = openXapiStore({
        address: { kind: "socket", path: socket },
        user: "",
        password: "",
        timeoutSeconds: 30,
      });
      await store.apply(vm.uuid, FLIP);
    }
    expect(vm.fields["PV_bootloader"]).toBe("pygrub");
    expect(xapi.database.calls.filter((call) => call.method === "session.login_with_password").length).toBeGreaterThan(
      1,
    );
    expect(xapi.database.sessions.size).toBe(0);
  });

  it("that is refused again and again is given up", async () => {
    const socket = join(folder.path, "never");
    await using xapi = await startSimulatedXapi({ socket });
    xapi.database.before = ({ method }) => {
      if (method === "VM.get_all") throw new Failure("SESSION_INVALID", "x");
    };
    await using session = openSession({
      address: { kind: "socket", path: socket },
      user: "",
      password: "",
      timeoutSeconds: 30,
    });
    await expect(session.call("VM.get_all", [])).rejects.toMatchObject({ code: "SESSION_INVALID" });
  });

  it("is closed also when the work fails", async () => {
    const socket = join(folder.path, "fails");
    await using xapi = await startSimulatedXapi({ socket });
    const work = async () => {
      await using store = openXapiStore({
        address: { kind: "socket", path: socket },
        user: "",
        password: "",
        timeoutSeconds: 30,
      });
      await store.read("nobody");
    };
    await expect(work()).rejects.toMatchObject({ code: "VM_UNKNOWN" });
    expect(xapi.database.calls.at(-1)?.method).toBe("session.logout");
    expect(xapi.database.sessions.size).toBe(0);
  });

  it("with what is no xapi is refused in words", async () => {
    const socket = join(folder.path, "other");
    const http = await import("node:http");
    for (const body of ["<html>", "", '{"jsonrpc":"2.0"}', "<methodResponse><params><param><value><struct>"]) {
      const server = http.createServer((request, response) => {
        request.resume();
        response.end(body);
      });
      await new Promise<void>((resolve) => server.listen(socket, resolve));
      await using session = openSession({
        address: { kind: "socket", path: socket },
        user: "",
        password: "",
        timeoutSeconds: 30,
      });
      await expect(session.call("VM.get_all", [])).rejects.toMatchObject({
        code: "TOOLSTACK_UNREACHABLE",
        message: expect.stringContaining("is not xapi") as unknown,
      });
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

describe("xapi on another host", () => {
  /** As an admin sets it. */
  const settingsFor = async (port: number, more: Readonly<Record<string, string>>) =>
    readSettings(
      {
        GUESTBOOT_XAPI_URL: `https://127.0.0.1:${port}`,
        GUESTBOOT_XAPI_USER: "root",
        GUESTBOOT_XAPI_PASSWORD: "secret",
        ...more,
      },
      "/nonexistent",
    );

  it("is believed by its authority or by its fingerprint, and by nothing else", async () => {
    await using xapi = await startSimulatedXapi({ tls });
    const vm = addVm(xapi.database, NAMES);
    const good = [
      { GUESTBOOT_XAPI_CA: join(folder.path, "cert.pem") },
      { GUESTBOOT_XAPI_FINGERPRINT: fingerprint },
      { GUESTBOOT_XAPI_FINGERPRINT: `${"0".repeat(64)}, ${fingerprint.replaceAll(":", "").toLowerCase()}` },
    ];
    for (const more of good) {
      await using store = await openRecordStore(await settingsFor(xapi.port, more));
      expect((await store.read(vm.uuid)).name_label).toBe(NAMES.name_label);
    }
    const known = xapi.database.calls.length;
    const unknown = [{}, { GUESTBOOT_XAPI_FINGERPRINT: "0".repeat(64) }];
    for (const more of unknown) {
      await using store = await openRecordStore(await settingsFor(xapi.port, more));
      await expect(store.read(vm.uuid)).rejects.toMatchObject({ code: "TOOLSTACK_UNREACHABLE" });
    }
    expect(xapi.database.calls.length, "nothing was sent, the password least of all").toBe(known);
    expect(xapi.database.sessions.size).toBe(0);
  });

  it("refuses a wrong password in words that do not hold it", async () => {
    await using xapi = await startSimulatedXapi({ tls });
    const more = { GUESTBOOT_XAPI_FINGERPRINT: fingerprint, GUESTBOOT_XAPI_PASSWORD: "hunter2" };
    await using store = await openRecordStore(await settingsFor(xapi.port, more));
    const error: unknown = await store.read("x").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "TOOLSTACK_REFUSED",
      message: expect.stringContaining("SESSION_AUTHENTICATION_FAILED") as unknown,
    });
    expect(JSON.stringify([error, String(error)])).not.toContain("hunter2");
  });

  it("that is a slave names its master, and the changes go there", async () => {
    await using xapi = await startSimulatedXapi({ tls });
    const vm = addVm(xapi.database, NAMES);
    // One server plays both hosts of the pool: they differ in the name they are called by.
    let slaves = 1;
    xapi.database.before = () => {
      xapi.database.master = slaves > 0 ? "127.0.0.1" : null;
      slaves -= 1;
    };
    await using store = await openRecordStore(
      await settingsFor(xapi.port, { GUESTBOOT_XAPI_FINGERPRINT: fingerprint }),
    );
    await store.apply(vm.uuid, FLIP);
    expect(vm.fields["PV_bootloader"]).toBe("pygrub");

    // The master moves in the middle of a session.
    slaves = 1;
    expect((await store.read(vm.uuid)).PV_bootloader).toBe("pygrub");
    slaves = 1000;
    await expect(store.read(vm.uuid)).rejects.toMatchObject({ code: "TOOLSTACK_UNREACHABLE" });
  });

  it("that is our own host and a slave is said to be one", async () => {
    const socket = join(folder.path, "slave");
    const database = makeDatabase();
    database.master = "10.0.0.9";
    await using xapi = await startSimulatedXapi({ socket, database });
    expect(xapi.port).toBe(0);
    await using store = openXapiStore({
      address: { kind: "socket", path: socket },
      user: "",
      password: "",
      timeoutSeconds: 30,
    });
    await expect(store.read("x")).rejects.toMatchObject({
      code: "TOOLSTACK_REFUSED",
      message: expect.stringContaining("10.0.0.9") as unknown,
      hint: expect.stringContaining("[xapi]") as unknown,
    });
  });
});

describe("where records are", () => {
  const settings = async (given: Readonly<Record<string, string>> = {}) =>
    (await readSettings(given, "/nonexistent")).toolstack;

  it("is xapi's database where its socket is, else files, unless the settings say", async () => {
    const socket = join(folder.path, "chosen");
    const none = join(folder.path, "none");
    await using xapi = await startSimulatedXapi({ socket });
    expect(xapi.port).toBe(0);
    expect(xapiLogin(await settings(), [none, socket])).toMatchObject({ address: { kind: "socket", path: socket } });
    expect(xapiLogin(await settings(), [none])).toBeNull();
    expect(xapiLogin(await settings({ GUESTBOOT_STORE: "file" }), [socket])).toBeNull();
    const wanted = await settings({ GUESTBOOT_STORE: "xapi" });
    expect(() => xapiLogin(wanted, [none])).toThrow(/none of .*none is there/);
    const at = await settings({ GUESTBOOT_XAPI_SOCKET: none });
    expect(xapiLogin(at, [socket])).toMatchObject({ address: { path: none } });
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ["another store", { GUESTBOOT_STORE: "etcd" }, /GUESTBOOT_STORE=etcd: must be xapi or file/],
    ["a socket without a folder", { GUESTBOOT_XAPI_SOCKET: "xapi" }, /absolute path/],
    ["a URL without TLS", { GUESTBOOT_XAPI_URL: "http://pool" }, /must be https/],
    ["a URL with a password", { GUESTBOOT_XAPI_URL: "https://root:hunter2@pool" }, /^(?!.*hunter2).*must be https/],
    ["a URL without a user", { GUESTBOOT_XAPI_URL: "https://pool" }, /needs one/],
    [
      "half a fingerprint",
      { GUESTBOOT_XAPI_URL: "https://pool", GUESTBOOT_XAPI_USER: "root", GUESTBOOT_XAPI_FINGERPRINT: "ab:cd" },
      /64 hexadecimal digits/,
    ],
    [
      "an authority that is not there",
      { GUESTBOOT_XAPI_URL: "https://pool", GUESTBOOT_XAPI_USER: "root", GUESTBOOT_XAPI_CA: "/nonexistent.pem" },
      /no such file/,
    ],
    ["a time of nothing", { GUESTBOOT_XAPI_TIMEOUT: "0" }, /whole number of seconds/],
  ])("cannot be %s", async (_what, given, reason) => {
    await expect(settings(given)).rejects.toMatchObject({
      code: "SETTINGS_INVALID",
      message: expect.stringMatching(reason) as unknown,
    });
  });
});
