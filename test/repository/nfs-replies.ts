/** What servers of NFS answer, made word by word, so that each can lie. */

/** 32-bit words, as XDR has them (RFC 4506). */
export function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, at) => bytes.writeUInt32BE(value >>> 0, at * 4));
  return bytes;
}

/** One fragment, the last of its record where nothing else is said (RFC 5531, section 11). */
export const record = (body: Buffer, mark = 0x8000_0000 + body.length): Buffer => Buffer.concat([words(mark), body]);

/** The reply's beginning: xid 1, REPLY, MSG_ACCEPTED, AUTH_NONE of no length, SUCCESS (RFC 5531, section 9). */
export const ACCEPTED = [1, 1, 0, 0, 0, 0];
export const BITMAP = [2, 0x0010_001a, 0x0020_0000];
/** NF4REG, change 7, size 8, fileid 9, time_modify 10 s 11 ns. */
export const ATTRIBUTES = [40, 1, 0, 7, 0, 8, 0, 9, 0, 10, 11];
