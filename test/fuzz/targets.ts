/**
 * Every parser of outside bytes.
 */
import type { FuzzTarget } from "./target.ts";
import { bootConfigTargets } from "./targets/boot-configs.ts";
import { repositoryTargets } from "./targets/repositories.ts";
import { toolstackTargets } from "./targets/toolstacks.ts";

export const TARGETS: readonly FuzzTarget[] = [...bootConfigTargets, ...repositoryTargets, ...toolstackTargets];
