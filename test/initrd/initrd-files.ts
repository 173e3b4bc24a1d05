/** What tests ask of an initrd: all that is in it, as text. */
import { Budget } from "../../src/base/budget.ts";
import { memorySource } from "../../src/base/byte-source.ts";
import type { GuestbootError } from "../../src/base/errors.ts";
import { readInitrd, type Member } from "../../src/initrd/members.ts";

export const LIMITS = { maximumBytes: 64 * 1024 * 1024 };

export interface SeenFile {
  readonly path: string;
  readonly kind: string;
  readonly content: string;
}

export async function filesOf(bytes: Uint8Array, limits = LIMITS): Promise<SeenFile[]> {
  const seen: SeenFile[] = [];
  for await (const event of readInitrd(memorySource(bytes), limits)) {
    if (event.what !== "record") continue;
    const chunks: Uint8Array[] = [];
    for await (const chunk of event.record.content()) chunks.push(Uint8Array.from(chunk));
    const { path, kind } = event.record;
    seen.push({ path, kind, content: Buffer.concat(chunks).toString("latin1") });
  }
  return seen;
}

export async function membersOf(bytes: Uint8Array, limits = LIMITS): Promise<Member[]> {
  const members: Member[] = [];
  for await (const event of readInitrd(memorySource(bytes), limits))
    if (event.what === "end") members.push(event.member);
  return members;
}

/** The code that reading it ends with; "none" where it is read to its end. */
export async function failureOf(work: () => Promise<unknown>): Promise<GuestbootError["code"] | "none"> {
  try {
    await work();
    return "none";
  } catch (error) {
    if (error instanceof Error && error.name === "GuestbootError" && "code" in error) {
      return error.code as GuestbootError["code"];
    }
    throw error;
  }
}

export async function joined(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(Uint8Array.from(chunk));
  return Buffer.concat(all);
}

export const budget = () => new Budget("records", 1000);
