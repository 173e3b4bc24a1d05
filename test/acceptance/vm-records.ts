/**
 * A state folder with one VM that is to be installed, as the file store keeps it.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { installRecord, VM, type RawRecord } from "../../fixtures/install-record.ts";

export { installRecord, VM, type RawRecord };

export function writeRecord(state: string, record: RawRecord, uuid = VM): string {
  const file = path.join(state, "vms", `${uuid}.json`);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `${JSON.stringify(record, null, 2)}\n`);
  return file;
}

export function readRecord(state: string, uuid = VM): RawRecord {
  return JSON.parse(fs.readFileSync(path.join(state, "vms", `${uuid}.json`), "utf8")) as RawRecord;
}
