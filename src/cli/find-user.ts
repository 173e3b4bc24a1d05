/**
 * The number of a local user.
 */
import * as fs from "node:fs";

/** passwd(5): name, password, number, … ; null when there is no such user. */
export function findUser(name: string, file = "/etc/passwd"): number | null {
  for (const line of fs.readFileSync(file, "utf8").split("\n")) {
    const [user, , uid] = line.split(":");
    if (user === name && uid !== undefined && /^\d{1,10}$/.test(uid)) return Number(uid);
  }
  return null;
}
