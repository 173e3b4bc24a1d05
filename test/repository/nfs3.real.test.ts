/**
 * NFS version 3, which needs a portmapper on its one well-known port: Debian's rpcbind and nfs-ganesha, and our reader,
 * in a network of their own, so that nothing of the machine's is in the way and nothing is reached from outside.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ROOT, temporaryFolder } from "../program.ts";

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());
const root = path.join(folder.path, "export");

const CONFIGURATION = `
  NFS_CORE_PARAM {
    Protocols = 3; NFS_Port = 20499; MNT_Port = 20500; Enable_NLM = false; Enable_RQUOTA = false;
  }
  LOG { Default_Log_Level = WARN; }
  EXPORT {
    Export_Id = 1; Path = "${root}"; Pseudo = "/export"; Access_Type = RO; Squash = Root_Squash;
    Protocols = 3; SecType = sys; PrivilegedPort = true; Attr_Expiration_Time = 0;
    FSAL { Name = VFS; }
  }
`;

/** Ends with everything that it started: the namespace's first process takes the others with it. */
const SCRIPT = `
  mount -t tmpfs none /run && ip link set lo up || exit 90
  rpcbind -f & ganesha.nfsd -F -f "$1/ganesha.conf" -L "$1/log" -p "$1/pid" &
  for tries in $(seq 300); do rpcinfo -p 127.0.0.1 2>/dev/null | grep -q '100003 *3 *tcp' && break; sleep 0.1; done
  shift
  env -u NODE_OPTIONS "$@"
`;

beforeAll(() => {
  for (const [program, debianPackage] of [
    ["/usr/sbin/rpcbind", "rpcbind"],
    ["/usr/bin/ganesha.nfsd", "nfs-ganesha nfs-ganesha-vfs"],
    ["/usr/bin/nfs-cat", "libnfs-utils"],
    ["/usr/sbin/ip", "iproute2"],
  ] as const) {
    if (!fs.existsSync(program)) throw new Error(`${program} is missing: apt-get install ${debianPackage}`);
  }
  fs.chmodSync(folder.path, 0o755);
  fs.mkdirSync(path.join(root, "os/images"), { recursive: true });
  fs.writeFileSync(path.join(root, "os/images/vmlinuz"), "a kernel");
  fs.writeFileSync(path.join(folder.path, "ganesha.conf"), CONFIGURATION);
});

it("a server of version 3 alone is read by way of its portmapper, or by the ports that are named", () => {
  const { ino } = fs.statSync(path.join(root, "os/images/vmlinuz"));
  const node = path.join(ROOT, "node_modules/.bin/node");
  const client = path.join(import.meta.dirname, "nfs3-client.ts");
  const addresses = [
    `nfs:vers=3:127.0.0.1:${root}/os`,
    `nfs://127.0.0.1${root}/os`,
    `nfs:vers=3,port=20499,mountport=20500:127.0.0.1:${root}/os`,
  ];
  const inNetwork = ["--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SCRIPT, "sh", folder.path];
  const ended = spawnSync("unshare", [...inNetwork, node, client, root, ...addresses], {
    encoding: "utf8",
    timeout: 100_000,
  });
  if (ended.status === 90) throw new Error(`this test needs root, to make a network of its own: ${ended.stderr}`);
  expect(ended.status, ended.stderr).toBe(0);
  let text = "a kernel";
  const expected = addresses.map(() => {
    const before = text;
    text += "+";
    const start = `"nfs-${ino.toString(16)}-${before.length.toString(16)}-`;
    return {
      etag: expect.stringContaining(start) as unknown,
      text: before,
      again: "unchanged",
      changed: text,
      missing: null,
    };
  });
  expect(JSON.parse(ended.stdout)).toEqual(expected);
}, 120_000);
