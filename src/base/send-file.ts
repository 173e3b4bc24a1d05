/**
 * sendfile(2): bytes from one open file into another inside the kernel, copied once where reading and writing copies
 * them twice. For 49 MB into a tmpfs that is 9 ms instead of 17 (measured).
 *
 * The runtime has no call for it, so the C library's own is fetched, before rights are given up: after that no other
 * function can be had. What is handed out is one closure; the library's handle and the function stay inside.
 */
import type * as Ffi from "node:ffi";

/**
 * Appends at most `length` bytes from `offset` of the file `source` to where the file `target` stands (descriptors).
 * @returns how many bytes it were; 0 when none could be sent that way, whatever the reason
 */
export type SendFile = (target: number, source: number, offset: number, length: number) => number;

const SIGNATURES = {
  sendfile: { arguments: ["int32", "int32", "pointer", "uint64"], return: "int64" },
} as const satisfies Record<string, Ffi.FunctionSignature>;

/** sendfile(2): "will transfer at most 0x7ffff000 bytes". */
const MAX_LENGTH = 0x7ffff000;

export function prepareSendFile(): SendFile {
  const ffi = process.getBuiltinModule("node:ffi");
  // Never closed: the function lives as long as the process does.
  const { sendfile } = ffi.dlopen(null, SIGNATURES).functions;
  const position = new BigInt64Array(1);
  const address = ffi.getRawPointer(position);
  return (target, source, offset, length) => {
    position[0] = BigInt(offset);
    const sent = Number(sendfile(target, source, address, BigInt(Math.min(length, MAX_LENGTH))));
    return Math.max(sent, 0);
  };
}
