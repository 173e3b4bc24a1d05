/**
 * One interface for reading a distribution's repository, whatever the transport.
 */

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
  | { readonly outcome: "content"; readonly facts: FileFacts; readonly body: AsyncIterable<Uint8Array> };

export interface FetchOptions {
  /** Ask only for another version than this one. */
  readonly unless?: Validators | undefined;
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
