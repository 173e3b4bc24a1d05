/** What the tests of all transports need: the bytes of a result, and the failure of some work. */
import { GuestbootError } from "../../src/base/errors.ts";
import type { FetchResult } from "../../src/repository/repository.ts";

export async function bytesOf(result: FetchResult): Promise<Buffer> {
  if (result.outcome !== "content") throw new Error(`the outcome was ${result.outcome}`);
  const parts: Uint8Array[] = [];
  for await (const part of result.body) parts.push(part);
  return Buffer.concat(parts);
}

export async function textOf(result: FetchResult): Promise<string> {
  return (await bytesOf(result)).toString("latin1");
}

/** @throws what it failed with, when that is none of our errors */
export async function failureOf(work: Promise<unknown>): Promise<GuestbootError> {
  const failure = await work.then(
    () => new Error("it did not fail"),
    (error: unknown) => error,
  );
  if (failure instanceof GuestbootError) return failure;
  throw failure;
}
