/** Cpio archives field by field (cpio(5), "New ASCII Format"), so that each field can lie. */
export interface CpioFields {
  readonly name?: string | Uint8Array;
  readonly content?: string | Uint8Array;
  readonly magic?: string;
  /** Fields as they are written, in place of the true ones. */
  readonly fields?: Partial<Record<CpioField, number | string>>;
}

const FIELDS = [
  "ino",
  "mode",
  "uid",
  "gid",
  "nlink",
  "mtime",
  "filesize",
  "devmajor",
  "devminor",
  "rdevmajor",
  "rdevminor",
  "namesize",
  "check",
] as const;
type CpioField = (typeof FIELDS)[number];

export function cpioRecord({ name = "file", content = "", magic = "070701", fields = {} }: CpioFields): Buffer {
  const nameBytes = Buffer.concat([Buffer.from(name), Buffer.alloc(1)]);
  const data = Buffer.from(content);
  const truth: Partial<Record<CpioField, number>> = {
    mode: 0o100644,
    nlink: 1,
    filesize: data.length,
    namesize: nameBytes.length,
  };
  const digits = FIELDS.map((field) => {
    const value = fields[field] ?? truth[field] ?? 0;
    return typeof value === "string" ? value : value.toString(16).padStart(8, "0");
  });
  return Buffer.concat([padded(Buffer.concat([Buffer.from(magic + digits.join("")), nameBytes])), padded(data)]);
}

export function cpioArchive(...records: readonly CpioFields[]): Buffer {
  return Buffer.concat([...records.map(cpioRecord), cpioRecord({ name: "TRAILER!!!", fields: { mode: 0 } })]);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}
