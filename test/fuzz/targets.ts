/**
 * Every parser of outside bytes.
 */
import type { FuzzTarget } from "./target.ts";
import { bootConfigTargets } from "./targets/boot-configs.ts";
import { bootFileTargets } from "./targets/boot-files.ts";
import { compressedTargets } from "./targets/compressed.ts";
import { diskTargets } from "./targets/disks.ts";
import { filesystemTargets } from "./targets/filesystems.ts";
import { repositoryTargets } from "./targets/repositories.ts";
import { serverTargets } from "./targets/servers.ts";
import { signatureTargets } from "./targets/signatures.ts";
import { toolstackTargets } from "./targets/toolstacks.ts";
import { wholeDiskTargets } from "./targets/whole-disks.ts";

export const TARGETS: readonly FuzzTarget[] = [
  ...bootConfigTargets,
  ...repositoryTargets,
  ...signatureTargets,
  ...toolstackTargets,
  ...diskTargets,
  ...filesystemTargets,
  ...wholeDiskTargets,
  ...compressedTargets,
  ...bootFileTargets,
  ...serverTargets,
];
