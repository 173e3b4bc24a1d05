import * as path from "node:path";
import { call } from "../filesystem/call.ts";

/** The major number of loop devices (Linux, `Documentation/admin-guide/devices.txt`). */
const LOOP_MAJOR = 7;
/** Far above the numbers that `losetup --find` hands out, which are the lowest free ones: no other test takes it. */
const UNUSED_MINOR = 9000;

/** The node, made in `folder`, of a block device that holds no medium; the kernel makes the device when it is opened. */
export function makeEmptyDrive(folder: string): string {
  const node = path.join(folder, "empty-drive");
  call("mknod", [node, "b", String(LOOP_MAJOR), String(UNUSED_MINOR)], "coreutils");
  return node;
}
