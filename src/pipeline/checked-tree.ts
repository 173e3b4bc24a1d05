/**
 * A repository as a layout check looks at it: each path is asked for once, however many checks of one mirror ask, never
 * more of a file is read than is needed, and what was asked is written down.
 */
import { GuestbootError } from "../base/errors.ts";
import { decodeText } from "../base/text.ts";
import type { FileFacts, Repository } from "../repository/repository.ts";
import type { HostGate } from "./host-gate.ts";
import { poisoned } from "./poisoned.ts";

/** The beginning of a file. */
export interface FileHead {
  readonly facts: FileFacts;
  readonly bytes: Uint8Array;
  /** These are all of its bytes. */
  readonly isWhole: boolean;
}

/** What a check has asked for, in order, with what came of it. */
export interface Asked {
  readonly path: string;
  outcome: "waiting" | "there" | "missing" | "failed";
}

/** The largest indexes (a Debian `Release`, a SUSE `content`) have a few hundred kilobytes. */
const LARGEST_TEXT = 4 * 1024 * 1024;

export class CheckedTree {
  readonly repository: Repository;
  readonly gate: HostGate;
  readonly #heads = new Map<string, FileHead | null>();

  constructor(repository: Repository, gate: HostGate) {
    this.repository = repository;
    this.gate = gate;
  }

  /** null: not there. @throws what the repository throws; the signal's reason */
  async look(path: string, asked: Asked[], signal: AbortSignal): Promise<FileFacts | null> {
    return this.ask(path, asked, signal, () => this.repository.look(path, signal));
  }

  /** A small file's text. null: not there. @throws FILE_TOO_LARGE; as `look` */
  readText(path: string, asked: Asked[], signal: AbortSignal): Promise<string | null> {
    return poisoned(this.#text(path, asked, signal));
  }

  async #text(path: string, asked: Asked[], signal: AbortSignal): Promise<string | null> {
    const head = await this.readHead(path, LARGEST_TEXT, asked, signal);
    if (head === null) return null;
    if (head.isWhole) return decodeText(head.bytes);
    throw new GuestbootError("FILE_TOO_LARGE", `${head.facts.url}: an index of more than ${LARGEST_TEXT} bytes`);
  }

  /** At most `length` bytes from the file's beginning; the transfer is ended then. null: not there. @throws as `look` */
  async readHead(path: string, length: number, asked: Asked[], signal: AbortSignal): Promise<FileHead | null> {
    const key = `${length} ${path}`;
    const known = this.#heads.get(key);
    if (known !== undefined) {
      asked.push({ path, outcome: known === null ? "missing" : "there" });
      return known;
    }
    const head = await this.ask(path, asked, signal, () => this.#fetchHead(path, length, signal));
    this.#heads.set(key, head);
    return head;
  }

  /** Does a request in its turn, and writes down what came of it; `null` stands for missing. */
  async ask<T>(path: string, asked: Asked[], signal: AbortSignal, request: () => Promise<T | null>): Promise<T | null> {
    const entry: Asked = { path, outcome: "waiting" };
    asked.push(entry);
    try {
      const result = await this.gate.run(request, signal);
      entry.outcome = result === null ? "missing" : "there";
      return result;
    } catch (error) {
      // What was under way when time was up is what was waited for.
      if (!signal.aborted) entry.outcome = "failed";
      throw error;
    }
  }

  async #fetchHead(path: string, length: number, signal: AbortSignal): Promise<FileHead | null> {
    const result = await this.repository.fetch(path, { signal });
    if (result.outcome === "missing") return null;
    if (result.outcome === "unchanged") {
      throw new GuestbootError("REPOSITORY_REFUSED", `${result.url}: "not modified", unasked`);
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of result.body) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > length) break;
    }
    const bytes = Buffer.concat(chunks).subarray(0, length);
    return { facts: result.facts, bytes, isWhole: size <= length };
  }
}
