/**
 * Which version of a file an NFS server has. The programs of libnfs do not tell, so the server is asked by ourselves,
 * for this one thing: NFS version 4 (RFC 7530) in one COMPOUND, version 3 (RFC 1813) by way of portmapper and mount
 * daemon. Symbolic links are not followed, and nothing is opened, read or locked.
 *
 * It is a shortcut past a download. Where the server does not play along (another version, Kerberos, a firewall), the
 * answer is null: the file comes anew, and what is wrong shows there.
 */
import { opaque, RpcConnection, u32, type Procedure, type XdrReader } from "./onc-rpc.ts";

export interface NfsFile {
  /** A name, or an address; IPv6 in brackets. */
  readonly server: string;
  /** Absolute, as the server knows it. */
  readonly export: string;
  /** Below the export. */
  readonly path: string;
  readonly version: "3" | "4";
  /** Ports that somebody has named; else NFS's own, or the portmapper's word. */
  readonly port: number | null;
  readonly mountPort: number | null;
}

const NFS_PORT = 2049;
const PORTMAPPER_PORT = 111;
const LONGEST_HANDLE = 128;
const MOST_SEGMENTS = 64;

/** Opaque words that differ as soon as the file does; null where the server does not say. */
export async function nfsValidator(file: NfsFile, timeout: number, signal: AbortSignal): Promise<string | null> {
  const ask = file.version === "4" ? validatorOf4 : validatorOf3;
  // Everything takes one timeout together: it must not make a start slower than the transfer that it spares.
  const limited = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
  try {
    return await ask({ ...file, server: file.server.replace(/^\[(.*)\]$/, "$1") }, timeout, limited);
  } catch {
    signal.throwIfAborted();
    return null;
  }
}

const PUTROOTFH = 24;
const LOOKUP = 15;
const GETATTR = 9;
/** Type, change, size and fileid (RFC 7530, section 5.8.1); time_modify is attribute 53. */
const WANTED = [(1 << 1) | (1 << 3) | (1 << 4) | (1 << 20), 1 << (53 - 32)];
const REGULAR_FILE = 1;

async function validatorOf4(file: NfsFile, timeout: number, signal: AbortSignal): Promise<string | null> {
  const segments = segmentsOf(`${file.export}/${file.path}`);
  if (segments === null) return null;
  using connection = await RpcConnection.open(file.server, file.port ?? NFS_PORT, timeout, signal);
  const operations = [
    u32(PUTROOTFH),
    ...segments.flatMap((segment) => [u32(LOOKUP), opaque(segment)]),
    u32(GETATTR),
    u32(WANTED.length),
    ...WANTED.map(u32),
  ];
  const [tag, minorVersion, count] = [opaque(""), u32(0), u32(segments.length + 2)];
  const compound: Procedure = { program: 100003, version: 4, procedure: 1 };
  const reply = await connection.call(compound, Buffer.concat([tag, minorVersion, count, ...operations]));
  if (reply.u32("status") !== 0) return null;
  reply.opaque(1024, "tag");
  const results = reply.u32("number of results");
  if (results !== segments.length + 2) return null;
  for (let result = 0; result < results; result += 1) {
    reply.u32("operation");
    if (reply.u32("status of the operation") !== 0) return null;
  }
  return attributesOf4(reply);
}

/** All of those that were asked for must be there: the bytes behind them have no names. */
function attributesOf4(reply: XdrReader): string | null {
  const words = reply.u32("words of the attribute bitmap");
  if (words < WANTED.length || words > 8) return null;
  const bitmap = Array.from({ length: words }, () => reply.u32("attribute bitmap"));
  if (bitmap.some((word, at) => word !== (WANTED[at] ?? 0) >>> 0)) return null;
  reply.u32("length of the attributes");
  if (reply.u32("type") !== REGULAR_FILE) return null;
  const [change, size, fileId, seconds] = [
    reply.u64("change"),
    reply.u64("size"),
    reply.u64("fileid"),
    reply.u64("seconds of time_modify"),
  ];
  return quotedWords([fileId, size, change, seconds, BigInt(reply.u32("nanoseconds of time_modify"))]);
}

async function validatorOf3(file: NfsFile, timeout: number, signal: AbortSignal): Promise<string | null> {
  const segments = segmentsOf(file.path);
  if (segments === null) return null;
  const mountPort = file.mountPort ?? (await portOf({ program: 100005, version: 3 }, file, timeout, signal));
  const port = file.port ?? (await portOf({ program: 100003, version: 3 }, file, timeout, signal));
  if (mountPort === 0 || port === 0) return null;
  let handle: Uint8Array;
  {
    using mountd = await RpcConnection.open(file.server, mountPort, timeout, signal);
    const reply = await mountd.call({ program: 100005, version: 3, procedure: 1 }, opaque(file.export));
    if (reply.u32("status of MNT") !== 0) return null;
    handle = reply.opaque(LONGEST_HANDLE, "file handle");
  }
  using nfs = await RpcConnection.open(file.server, port, timeout, signal);
  for (const segment of segments) {
    const lookup: Procedure = { program: 100003, version: 3, procedure: 3 };
    const reply = await nfs.call(lookup, Buffer.concat([opaque(handle), opaque(segment)]));
    if (reply.u32("status of LOOKUP") !== 0) return null;
    handle = reply.opaque(LONGEST_HANDLE, "file handle");
  }
  const reply = await nfs.call({ program: 100003, version: 3, procedure: 1 }, opaque(handle));
  return reply.u32("status of GETATTR") === 0 ? attributesOf3(reply) : null;
}

/** RFC 1813, section 2.6: fattr3 */
function attributesOf3(reply: XdrReader): string | null {
  if (reply.u32("type") !== REGULAR_FILE) return null;
  for (const field of ["mode", "nlink", "uid", "gid"]) reply.u32(field);
  const size = reply.u64("size");
  for (const field of ["used", "rdev", "fsid"]) reply.u64(field);
  const fileId = reply.u64("fileid");
  reply.u64("atime");
  return quotedWords([fileId, size, reply.u64("mtime"), reply.u64("ctime")]);
}

/** RFC 1833, section 3: PMAPPROC_GETPORT. 0: no such program. */
async function portOf(
  { program, version }: Pick<Procedure, "program" | "version">,
  { server }: NfsFile,
  timeout: number,
  signal: AbortSignal,
): Promise<number> {
  const TCP = 6;
  using portmapper = await RpcConnection.open(server, PORTMAPPER_PORT, timeout, signal);
  const getPort: Procedure = { program: 100000, version: 2, procedure: 3 };
  const reply = await portmapper.call(getPort, Buffer.concat([program, version, TCP, 0].map(u32)));
  const port = reply.u32("port");
  return port < 65536 ? port : 0;
}

function segmentsOf(path: string): readonly string[] | null {
  const segments = path.split("/").filter((segment) => segment !== "" && segment !== ".");
  return segments.length > MOST_SEGMENTS || segments.includes("..") ? null : segments;
}

function quotedWords(values: readonly bigint[]): string {
  return `"nfs-${values.map((value) => value.toString(16)).join("-")}"`;
}
