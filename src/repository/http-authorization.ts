/**
 * User and password as HTTP sends them.
 */
import type { Credentials } from "./location.ts";

/** RFC 7617 */
export function basicAuthorization({ user, password }: Credentials): string {
  return `Basic ${Buffer.from(`${user}:${password}`, "utf8").toString("base64")}`;
}
