/**
 * The host's system log: the datagram socket at `/dev/log`, behind which syslog or the journal is (RFC 3164 in glibc's
 * form: priority, local time, tag).
 *
 * The runtime has no datagram sockets in the file system, so socket(2) and connect(2) are fetched from the C library,
 * while there are rights to. What is open stays open after they are given up, and each write is one message. It never
 * waits: a log that is full loses the message, and a host without one has none.
 */
import { writeSync } from "node:fs";

export type Severity = "error" | "warning" | "info";

/** Writes one message. Never throws. */
export type WriteLog = (severity: Severity, message: string) => void;

/** socket.h and syslog.h of Linux. */
const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC_NONBLOCK = 2 | 0o2000000 | 0o4000;
const LOG_DAEMON = 3;
const LEVELS: Readonly<Record<Severity, number>> = { error: 3, warning: 4, info: 6 };
/** `sun_path` of sockaddr_un, with the zero at its end. */
const PATH_BYTES = 108;
/** Every syslog takes that much in one message (RFC 5424, section 6.1). */
const LONGEST = 2048;

const SIGNATURES = {
  socket: { arguments: ["int32", "int32", "int32"], return: "int32" },
  connect: { arguments: ["int32", "pointer", "uint32"], return: "int32" },
} as const;

/**
 * Opens the log; null where the host has none at that path, or where the C library is out of reach.
 * @param tag the program's name
 */
export function openSystemLog(path: string, tag: string): WriteLog | null {
  const descriptor = connectTo(path);
  if (descriptor === null) return null;
  return (severity, message) => {
    const text = `<${LOG_DAEMON * 8 + LEVELS[severity]}>${timeOf(new Date())} ${tag}[${process.pid}]: ${message}`;
    try {
      writeSync(descriptor, Buffer.from(text).subarray(0, LONGEST));
    } catch {
      // Nobody's start fails because its log is full or gone.
    }
  };
}

function connectTo(path: string): number | null {
  const name = Buffer.from(path);
  if (name.length >= PATH_BYTES) return null;
  try {
    const ffi = process.getBuiltinModule("node:ffi");
    const { socket, connect } = ffi.dlopen(null, SIGNATURES).functions;
    const address = Buffer.alloc(2 + PATH_BYTES);
    address.writeUInt16LE(AF_UNIX, 0);
    name.copy(address, 2);
    const descriptor = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC_NONBLOCK, 0);
    // The descriptor of a socket without a peer stays unused until the process ends, which is soon.
    if (descriptor < 0 || connect(descriptor, ffi.getRawPointer(address), address.length) !== 0) return null;
    return descriptor;
  } catch {
    return null;
  }
}

/** `Nov  8 03:07:09`, in the host's own time. */
function timeOf(date: Date): string {
  const month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][date.getMonth()];
  const two = (value: number) => String(value).padStart(2, "0");
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${month ?? ""} ${String(date.getDate()).padStart(2, " ")} ${time}`;
}
