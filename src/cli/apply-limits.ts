/**
 * The host's limits for commands that look into a disk and read no other settings.
 */
import { setReadLimits, type ReadLimits } from "../base/limits.ts";
import { readSettings } from "../base/settings.ts";

/**
 * Before the disk is opened: reading the settings needs rights.
 * @param instead of the host's, for this command
 * @throws SETTINGS_INVALID
 */
export async function applyReadLimits(instead: Partial<ReadLimits> = {}): Promise<void> {
  setReadLimits({ ...(await readSettings(process.env)).limits, ...instead });
}
