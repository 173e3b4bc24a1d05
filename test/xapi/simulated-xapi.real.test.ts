/**
 * The simulated xapi, held against clients that are not ours: Python's xmlrpc.client (over TCP and over a Unix socket,
 * as XenAPI.py does it) and the package xen-api (JSON-RPC 2.0, and its own XML-RPC). What they can use is what a
 * loader is then tested against.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { environment, ROOT, temporaryFolder } from "../program.ts";
import { addVm, type SimulatedVm } from "./simulated-database.ts";
import { startSimulatedXapi, type SimulatedXapi } from "./simulated-xapi.ts";

let folder: ReturnType<typeof temporaryFolder>;
let local: SimulatedXapi;
let remote: SimulatedXapi;
let old: SimulatedXapi;
let socket = "";
let vm: SimulatedVm;

beforeAll(async () => {
  folder = temporaryFolder();
  socket = join(folder.path, "xapi");
  local = await startSimulatedXapi({ socket });
  const { database } = local;
  remote = await startSimulatedXapi({ database });
  old = await startSimulatedXapi({ database, xmlOnly: true });
  vm = addVm(database, {
    name_label: 'Zoë\'s "<web>" & more \u{1f600}',
    fields: { PV_bootloader: "eliloader" },
    other_config: { "install-distro": "rhlike", empty: "", markup: "<&> ]]>" },
    VBDs: [{ userdevice: "0", bootable: true }],
  });
});
afterAll(async () => {
  for (const server of [local, remote, old]) await server[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** What the program prints as JSON. Beside this process, which answers it. */
async function ask(program: string, args: readonly string[], missing: string): Promise<unknown> {
  const child = spawn(program, args, { env: environment(), stdio: ["ignore", "pipe", "pipe"], timeout: 60_000 });
  const output = { out: "", err: "" };
  child.stdout.on("data", (data: Buffer) => (output.out += data.toString()));
  child.stderr.on("data", (data: Buffer) => (output.err += data.toString()));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once("error", (error) => reject(new Error(missing, { cause: error })));
    child.once("close", resolve);
  });
  if (status !== 0) throw new Error(output.err);
  return JSON.parse(output.out);
}

/** \`call\` asks for a Value, \`fail\` for an ErrorDescription, as XenAPI.py does. */
const PYTHON = `
import sys, json, socket, http.client, xmlrpc.client
class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])
class UnixTransport(xmlrpc.client.Transport):
    def make_connection(self, host): return UnixConnection("localhost")
where = sys.argv[1]
proxy = xmlrpc.client.ServerProxy("http://localhost/", transport=UnixTransport()) if where.startswith("/") \\
    else xmlrpc.client.ServerProxy(where)
def ask(method, *params):
    answer = proxy
    for name in method.split("."): answer = getattr(answer, name)
    return answer(*params)
def call(method, *params):
    answer = ask(method, *params)
    assert answer["Status"] == "Success", answer
    return answer["Value"]
def fail(method, *params):
    answer = ask(method, *params)
    assert answer["Status"] == "Failure", answer
    return answer["ErrorDescription"]
user = ("", "") if where.startswith("/") else ("root", "secret")
s = call("session.login_with_password", *user, "1.0", "test")
uuid = sys.argv[2]
vm = call("VM.get_by_uuid", s, uuid)
record = call("VM.get_record", s, vm)
disk = record["VBDs"][0]
out = {"record": record, "disk": call("VBD.get_record", s, disk)}
out["unknown"] = fail("VM.get_by_uuid", s, "x")
out["duplicate"] = fail("VM.add_to_other_config", s, vm, "empty", "no")
call("VM.remove_from_other_config", s, vm, "never there")
call("VM.add_to_other_config", s, vm, "python", "<&>\\u00eb")
out["added"] = call("VM.get_other_config", s, vm)
call("VM.remove_from_other_config", s, vm, "python")
call("VBD.set_bootable", s, disk, False)
out["bootable"] = call("VBD.get_record", s, disk)["bootable"]
call("VBD.set_bootable", s, disk, True)
out["method"] = fail("VM.no_such_thing", s)
call("session.logout", s)
out["after"] = fail("VM.get_record", s, vm)[0]
print(json.dumps(out))
`;

describe("Python's xmlrpc.client", () => {
  it.each(["the Unix socket", "TCP", "a host that knows no JSON-RPC"])("uses it over %s", async (way) => {
    const port = way === "TCP" ? remote.port : old.port;
    const where = way === "the Unix socket" ? socket : `http://127.0.0.1:${port}`;
    const out = await ask("python3", ["-c", PYTHON, where, vm.uuid], "python3 is missing: apt-get install python3");
    const config = { "install-distro": "rhlike", empty: "", markup: "<&> ]]>" };
    expect(out).toMatchObject({
      record: { uuid: vm.uuid, name_label: vm.name_label, PV_bootloader: "eliloader", other_config: config },
      disk: { VM: vm.ref, userdevice: "0", bootable: true, currently_attached: false, type: "Disk" },
      unknown: ["UUID_INVALID", "VM", "x"],
      duplicate: ["MAP_DUPLICATE_KEY", "VM", "other_config", vm.ref, "empty", "", "no"],
      added: { ...config, python: "<&>ë" },
      bootable: false,
      method: ["MESSAGE_METHOD_UNKNOWN", "VM.no_such_thing"],
      after: "SESSION_INVALID",
    });
    expect(local.database.sessions.size).toBe(0);
  });
});

const XEN_API = `
import { createClient } from "xen-api";
const [url, uuid] = process.argv.slice(1);
const xapi = createClient({
  url, auth: { user: "root", password: "secret" }, watchEvents: false, readOnly: false,
});
await xapi.connect();
const vm = await xapi.call("VM.get_by_uuid", uuid);
const out = { record: await xapi.call("VM.get_record", vm) };
const codeOf = async (...call) => { try { await xapi.call(...call); return null; } catch (error) { return [error.code, ...error.params]; } };
out.unknown = await codeOf("VM.get_by_uuid", "x");
out.duplicate = await codeOf("VM.add_to_other_config", vm, "empty", "no");
await xapi.call("VM.add_to_other_config", vm, "js", "<&>\\u00eb");
out.added = await xapi.call("VM.get_other_config", vm);
await xapi.call("VM.remove_from_other_config", vm, "js");
await xapi.call("VBD.set_bootable", out.record.VBDs[0], true);
await xapi.disconnect();
console.log(JSON.stringify(out));
process.exit(0);
`;

describe("the package xen-api", () => {
  it.each(["JSON-RPC", "XML-RPC"])("uses it by %s", async (format) => {
    const port = format === "JSON-RPC" ? remote.port : old.port;
    const args = ["-u", "NODE_OPTIONS", process.execPath, "--input-type=module", "-e", XEN_API];
    const out = await ask(
      "/usr/bin/env",
      ["-C", ROOT, ...args, `http://127.0.0.1:${port}`, vm.uuid],
      "env is missing: apt-get install coreutils",
    );
    const config = { "install-distro": "rhlike", empty: "", markup: "<&> ]]>" };
    expect(out).toMatchObject({
      record: { uuid: vm.uuid, name_label: vm.name_label, PV_bootloader: "eliloader", other_config: config },
      unknown: ["UUID_INVALID", "VM", "x"],
      duplicate: ["MAP_DUPLICATE_KEY", "VM", "other_config", vm.ref, "empty", "", "no"],
      added: { ...config, js: "<&>ë" },
    });
    const paths = local.database.calls.map((call) => call.method);
    expect(paths).toContain("session.logout");
  });
});
