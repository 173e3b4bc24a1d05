/**
 * A simulated xapi with VMs in it, `guestboot vm` on them, and bash with an `xe` that changes them.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { environment, programPath, ROOT, start, type Ended } from "../program.ts";
import { vbdsOf, type SimulatedVm } from "../xapi/simulated-database.ts";
import { startSimulatedXapi, type SimulatedXapi } from "../xapi/simulated-xapi.ts";

export interface XapiHost extends AsyncDisposable {
  readonly xapi: SimulatedXapi;
  readonly settings: Readonly<Record<string, string>>;
  vm(...argv: readonly string[]): Promise<Ended>;
  /** Runs lines of `xe` in bash; a failure ends them. */
  type(lines: string): Promise<Ended>;
}

/** @param folder where its socket and its `xe` are made */
export async function startXapiHost(folder: string): Promise<XapiHost> {
  const socket = path.join(folder, "xapi");
  const bin = path.join(folder, "bin");
  fs.mkdirSync(bin);
  fs.writeFileSync(path.join(bin, "xe"), `#!/bin/sh\nexec python3 '${ROOT}/test/xapi/xe.py' "$@"\n`, { mode: 0o755 });
  const xapi = await startSimulatedXapi({ socket });
  const settings = {
    GUESTBOOT_STORE: "xapi",
    GUESTBOOT_XAPI_SOCKET: socket,
    GUESTBOOT_CACHE_DIR: path.join(folder, "cache"),
    GUESTBOOT_BOOT_DIR: path.join(folder, "boot"),
    GUESTBOOT_LOG: "none",
  };
  const withXe = { XAPI_SOCKET: socket, PATH: `${bin}:${environment()["PATH"] ?? ""}` };
  return {
    xapi,
    settings,
    vm: (...argv) => start(programPath("guestboot"), ["vm", ...argv], settings),
    type: (lines) => start("bash", ["--noprofile", "--norc", "-e", "-c", lines], withXe),
    [Symbol.asyncDispose]: () => xapi[Symbol.asyncDispose](),
  };
}

/** All of a VM that a start depends on. */
export function stateOf({ database }: SimulatedXapi, vm: SimulatedVm): object {
  return {
    power_state: vm.power_state,
    fields: { ...vm.fields },
    other_config: Object.fromEntries(vm.other_config),
    disks: vbdsOf(database, vm).map(({ userdevice, type, bootable }) => ({ userdevice, type, bootable })),
  };
}

/** A tree with Debian's Xen installer, such as it is; a pre-staged image of it in `images`, named debian12. */
export async function stageDebian(folder: string, images: string, settings: Readonly<Record<string, string>>) {
  const mirror = path.join(folder, "mirror");
  const tree = path.join(mirror, "dists/bookworm/main/installer-amd64/current/images/netboot/xen");
  fs.mkdirSync(tree, { recursive: true });
  fs.writeFileSync(path.join(tree, "vmlinuz"), "a kernel");
  fs.writeFileSync(path.join(tree, "initrd.gz"), "a ramdisk");
  const argv = ["prestage", "debian12", mirror, "--distro=debian", "--release=bookworm", `--dir=${images}`, "-q"];
  const ended = await start(programPath("guestboot"), argv, settings);
  if (ended.status !== 0) throw new Error(ended.stderr);
  return mirror;
}
