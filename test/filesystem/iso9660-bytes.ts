/**
 * ISO 9660 images made by hand, field by field from ECMA-119, SUSP and RRIP: for what no mastering program writes.
 */
export const SECTOR = 2048;

export interface RecordFields {
  readonly name: string | Uint8Array;
  readonly block: number;
  readonly size: number;
  readonly flags?: number;
  readonly extendedBlocks?: number;
  readonly unitSize?: number;
  readonly gapSize?: number;
  readonly systemUse?: Uint8Array;
}

/** ECMA-119, section 9.1. */
export function record(fields: RecordFields): Buffer {
  const name = typeof fields.name === "string" ? Buffer.from(fields.name, "latin1") : Buffer.from(fields.name);
  const padding = name.length % 2 === 0 ? 1 : 0;
  const systemUse = fields.systemUse ?? new Uint8Array();
  const bytes = Buffer.alloc(33 + name.length + padding + systemUse.length);
  bytes[0] = bytes.length;
  bytes[1] = fields.extendedBlocks ?? 0;
  both32(fields.block).copy(bytes, 2);
  both32(fields.size).copy(bytes, 10);
  bytes[25] = fields.flags ?? 0;
  bytes[26] = fields.unitSize ?? 0;
  bytes[27] = fields.gapSize ?? 0;
  both16(1).copy(bytes, 28);
  bytes[32] = name.length;
  name.copy(bytes, 33);
  bytes.set(systemUse, 33 + name.length + padding);
  return bytes;
}

export const FLAG_DIRECTORY = 0x02;
export const FLAG_ASSOCIATED = 0x04;
export const FLAG_MULTI_EXTENT = 0x80;

/** SUSP 1.12, section 4: signature, length, version 1, data. */
export function entry(signature: string, ...data: readonly (number | Uint8Array | string)[]): Buffer {
  const parts = data.map((each) => (typeof each === "number" ? Buffer.of(each) : Buffer.from(each)));
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(signature, "latin1"), Buffer.of(body.length + 4, 1), body]);
}

export const SP = entry("SP", 0xbe, 0xef, 0);
export const ER = entry("ER", 10, 0, 0, 1, "RRIP_1991A");
export const NM = (name: string, flags = 0) => entry("NM", flags, name);
export const PX = (mode: number) => entry("PX", both32(mode), both32(1), both32(0), both32(0));
export const CE = (block: number, offset: number, size: number) =>
  entry("CE", both32(block), both32(offset), both32(size));
export const CL = (block: number) => entry("CL", both32(block));
/** Components: flags and content. */
export const SL = (flags: number, ...components: readonly (readonly [number, string])[]) =>
  entry(
    "SL",
    flags,
    ...components.map(([bits, text]) => Buffer.concat([Buffer.of(bits, text.length), Buffer.from(text)])),
  );

export const FILE_MODE = 0o100644;
export const LINK_MODE = 0o120777;

export function both32(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value, 0);
  bytes.writeUInt32BE(value, 4);
  return bytes;
}

export function both16(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16LE(value, 0);
  bytes.writeUInt16BE(value, 2);
  return bytes;
}

export interface HandMade {
  /** Bytes; 2048 when not given. */
  readonly blockSize?: number;
  /** Records behind `.` and `..` of the root, which is in block 40. */
  readonly root: readonly Uint8Array[];
  /** The system use area of the root's own record; Rock Ridge's announcement when not given. */
  readonly rootSystemUse?: Uint8Array;
  /** Other blocks by number. */
  readonly blocks?: Readonly<Record<number, Uint8Array>>;
  /** Of the whole image; 64 when not given. */
  readonly sectors?: number;
}

export const ROOT_BLOCK = 40;

export function isoImage(made: HandMade): Buffer {
  const blockSize = made.blockSize ?? SECTOR;
  const image = Buffer.alloc((made.sectors ?? 64) * SECTOR);
  descriptor(blockSize, image.length).copy(image, 16 * SECTOR);
  image.set([0xff, ...Buffer.from("CD001"), 1], 17 * SECTOR);
  const systemUse = made.rootSystemUse ?? Buffer.concat([SP, ER]);
  directory(ROOT_BLOCK, ROOT_BLOCK, made.root, systemUse).copy(image, ROOT_BLOCK * blockSize);
  for (const [block, bytes] of Object.entries(made.blocks ?? {})) image.set(bytes, Number(block) * blockSize);
  return image;
}

/** A folder of one sector. */
export function directory(
  block: number,
  parent: number,
  records: readonly Uint8Array[],
  systemUse: Uint8Array = new Uint8Array(),
): Buffer {
  const flags = FLAG_DIRECTORY;
  const all = [
    record({ name: "\0", block, size: SECTOR, flags, systemUse }),
    record({ name: "\x01", block: parent, size: SECTOR, flags }),
    ...records,
  ];
  return Buffer.concat([...all, Buffer.alloc(SECTOR)], SECTOR);
}

/** ECMA-119, section 8.4. */
function descriptor(blockSize: number, size: number): Buffer {
  const bytes = Buffer.alloc(SECTOR);
  bytes.write("\x01CD001\x01", 0, "latin1");
  bytes.write("HANDMADE".padEnd(32), 40, "latin1");
  both32(size / blockSize).copy(bytes, 80);
  both16(blockSize).copy(bytes, 128);
  record({ name: "\0", block: ROOT_BLOCK, size: SECTOR, flags: FLAG_DIRECTORY }).copy(bytes, 156);
  bytes.write("2026112102450000", 813, "latin1");
  bytes.write("0000000000000000", 830, "latin1");
  return bytes;
}
