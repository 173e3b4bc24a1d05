/**
 * One interface for reading a distribution's repository, whatever the transport.
 */

import type { Lend } from "../base/lent-memory.ts";

/** What tells one version of a file from another without its bytes (RFC 9110, section 8.8). */
export interface Validators {
  readonly etag: string | null;
  /** The `Last-Modified` header as it came. */
  readonly lastModified: string | null;
}

export interface FileFacts extends Validators {
  /** Where the bytes really come from, after redirects; without user and password. */
  readonly url: string;
  /** Bytes; null when the transport does not say. */
  readonly size: number | null;
}

/** `missing`: the repository answers that it has no such file. `unchanged`: as the validators given say. */
export type FetchResult =
  | { readonly outcome: "missing"; readonly url: string }
  | { readonly outcome: "unchanged"; readonly url: string }
  | {
      readonly outcome: "content";
      /** Of the whole file. */
      readonly facts: FileFacts;
      readonly body: AsyncIterable<Uint8Array>;
      /** Where the body can be received into memory that is lent. */
      readonly lend?: Lend | undefined;
      /** The body holds only what comes behind as many bytes; 0 when not given. */
      readonly behind?: number;
    };

/** What has come already of a file whose transfer broke off. */
export interface ReceivedPart {
  /** How many bytes. */
  readonly bytes: number;
  /** How many the whole file has. */
  readonly size: number;
  /** The file's strong entity tag; a rest is given only of the file that still has it. */
  readonly etag: string;
}

export interface FetchOptions {
  /** Ask only for another version than this one. */
  readonly unless?: Validators | undefined;
  /** The rest will do, if it is the rest of the same bytes; who cannot tell gives the whole file. */
  readonly rest?: ReceivedPart | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Repository extends AsyncDisposable {
  /** The repository's address without user and password, ending in `/`. */
  readonly address: string;
  /** The address of a path below it, without user and password. */
  addressOf(path: string): string;
  /**
   * Is the file there, and what is known of it? null when the repository says that it has no such file.
   * @throws REPOSITORY_UNREACHABLE, REPOSITORY_REFUSED, REDIRECT_REFUSED
   */
  look(path: string, signal?: AbortSignal): Promise<FileFacts | null>;
  /**
   * The file's bytes as a stream, as the repository stores them (a `Content-Encoding` is not undone).
   * The stream throws TRANSFER_TRUNCATED or TRANSFER_FAILED where the file does not come whole.
   * @throws REPOSITORY_UNREACHABLE, REPOSITORY_REFUSED, REDIRECT_REFUSED
   */
  fetch(path: string, options?: FetchOptions): Promise<FetchResult>;
}
