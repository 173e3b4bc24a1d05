/**
 * What a caller may say about how a repository is to be read, over every transport.
 */
import type { Progress } from "../base/progress.ts";
import type { RepositorySettings } from "../base/repository-settings.ts";
import type { HttpOptions } from "./http.ts";
import type { NfsPrograms } from "./nfs-programs.ts";
import type { Environment } from "./proxy.ts";
import type { TransferLimits } from "./transfer.ts";

export interface RepositoryOptions {
  /** How patient we are, and with how large files, over every transport. */
  readonly limits?: Partial<TransferLimits> | undefined;
  /** What is HTTP's own; beats `limits`. */
  readonly http?: Partial<HttpOptions> | undefined;
  /** The `install-proxy` of a VM: for http and https, whatever the environment says. */
  readonly proxy?: string | undefined;
  /** Where `http_proxy`, `https_proxy` and `no_proxy` are looked up; nowhere when not given. */
  readonly environment?: Environment | undefined;
  /** A file of certificates (PEM) of authorities that are trusted for this repository beside the system's. */
  readonly caFile?: string | undefined;
  /** What the host's settings say of single repositories; beats the environment, and is beaten by what is above. */
  readonly settings?: readonly RepositorySettings[] | undefined;
  /** The guest's CD device, or an ISO file in its place: what the address `cdrom` stands for. */
  readonly cdromDevice?: string | undefined;
  readonly nfs?: Partial<NfsPrograms> | undefined;
  /** Is told of tries that are made again, and of mirrors that do not answer. */
  readonly progress?: Progress | undefined;
}
