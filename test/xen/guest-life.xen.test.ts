/**
 * A guest's life on a real Xen 4.17 with a real dom0, under QEMU: `xl create` runs the built program as the boot loader,
 * first for an installation, then from a disk. libxl tells it the guest's number only; xenstore knows the name.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { INSTALLED_SYSTEM } from "./installed-guest.ts";
import { BARE_DISK, DISKS, GUEST_DISKS, RECORDS, startRealHost, type RealHost } from "./real-host.ts";

let host: RealHost;
const run = async (script: string) => await host.dom0.run(script);

beforeAll(async () => {
  host = await startRealHost();
});
afterAll(async () => await host[Symbol.asyncDispose]());

afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  // What a person looks at first.
  const logs = "tail -n 20 /var/log/xen/bootloader.*.log /var/log/xen/console/*.log /var/log/xen/xl-*.log; xl list";
  const told = await Promise.race([
    run(logs).catch(() => null),
    new Promise<null>((end) => setTimeout(end, 60_000, null)),
  ]);
  console.log(`dom0's console:\n${host.dom0.shown().slice(-4000)}\n${told?.output ?? "dom0 does not answer"}`);
});

interface Started {
  /** xl's exit status. */
  readonly status: number;
  /** What xl has said, the loader's arguments in it. */
  readonly said: string;
  /** What the loader has said on its terminal. */
  readonly loaderLog: string;
}

/** `xl create` of a guest's file. @param environment for xl, and settings that replace those of the file */
async function create(guest: string, { disk, environment = "", settings = "" }: Start): Promise<Started> {
  const before = `rm -f /var/log/xen/bootloader.* /var/log/xen/console/guest-${guest}.log`;
  const { status, output } = await run(
    `${before}; ln -sfn ${disk} ${GUEST_DISKS}/${guest}; ${environment} xl -vvv create /payload/${guest}.cfg ${settings}`,
  );
  const { output: loaderLog } = await run("cat /var/log/xen/bootloader.*.log");
  return { status, said: output, loaderLog };
}
interface Start {
  readonly disk: string;
  readonly environment?: string;
  readonly settings?: string;
}

/** What a guest's console has shown when the guest has ended. */
async function consoleOf(guest: string): Promise<string> {
  const untilGone = `while xl domid ${guest} >/dev/null 2>&1; do sleep 1; done`;
  const { output } = await run(`${untilGone}; sleep 1; cat /var/log/xen/console/guest-${guest}.log`);
  return output.replaceAll("\r", "");
}

async function recordOf(guest: keyof typeof RECORDS): Promise<unknown> {
  return JSON.parse((await run(`cat /var/lib/guestboot/vms/${RECORDS[guest].uuid}.json`)).output);
}

/** Domains other than dom0 itself, and files that a start makes. */
async function leftBehind(): Promise<string> {
  const folders = "/var/lib/xen /var/run/xen/pygrub /var/run/xend /tmp";
  return (await run(`xl list | tail -n +3; find ${folders} ! -type d 2>/dev/null`)).output;
}

describe("a start that must fail", () => {
  it("names the repository that does not answer, and leaves nothing", async () => {
    const before = await recordOf("deserted");
    await run(`truncate -s 1G ${GUEST_DISKS}/raw`);
    const start = await create("deserted", { disk: "raw" });
    expect(start.status).not.toBe(0);
    expect(start.said).toContain("bootloader failed - consult logfile /var/log/xen/bootloader.");
    expect(start.loaderLog).toMatch(/RuntimeError: http:\/\/127\.0\.0\.1:81\/debian\/.*connection refused/);
    expect(await recordOf("deserted")).toEqual(before);
    expect(await leftBehind()).toBe("");
  });

  it("says that the disk has no boot config, and leaves nothing", async () => {
    const start = await create("bare", { disk: BARE_DISK });
    expect(start.status).not.toBe(0);
    expect(start.said).toContain("bootloader failed - consult logfile /var/log/xen/bootloader.");
    expect(start.loaderLog).toMatch(
      /RuntimeError: .* does not boot: whole disk: no boot config; looked for \/boot\/grub\/grub\.cfg/,
    );
    expect(await leftBehind()).toBe("");
  });
});

describe("one guest", () => {
  it("is installed: Debian's installer runs paravirtually, our preseed in it", async () => {
    const start = await create("debian", { disk: "raw" });
    expect(start).toMatchObject({ status: 0 });
    expect(start.said).not.toContain("--vm");
    // Its standard error is a terminal: progress is drawn over itself there.
    expect(start.loaderLog).toMatch(/\x1b\[\d+A\x1b\[J *(?:vmlinuz|initrd\.gz) +\[#/);
    const console = await consoleOf("debian");
    expect(console).toContain("Hypervisor detected: Xen PV");
    expect(console).toContain("our preseed file was read: xen PV");
    expect(console).toMatch(/DISTRIB_DESCRIPTION="Debian GNU\/Linux installer"/);
    // It has not asked for the language, which the preseed file answers.
    expect(console).toMatch(/main-menu\[\d+\]: INFO: Menu item 'localechooser' selected\n.*Menu item '.*' selected/);
    expect(console).not.toContain("Select a language");
  });

  it("then has a record that lets it boot from its disk", async () => {
    const record = await recordOf("debian");
    expect(record).toMatchObject({ name_label: "debian", PV_bootloader: "pygrub" });
    expect(record).not.toHaveProperty(["other_config", "install-distro"]);
    expect(await leftBehind()).toBe("");
  });

  it("boots from ext4, the entry chosen in the menu of `xl create -c`", async () => {
    const { dom0 } = host;
    const from = dom0.shown().length;
    const settings = "memory=256 </dev/console >/dev/console";
    const started = create("debian", { disk: DISKS.ext4, settings: `-c ${settings}` });
    await dom0.shows(/Rescue system/, from);
    dom0.type("d");
    dom0.type("\r");
    expect(await started).toMatchObject({ status: 0 });
    const console = await consoleOf("debian");
    expect(console).toContain(`${INSTALLED_SYSTEM}: on ext4, xen PV`);
    expect(console).toMatch(/its kernel was told: .*entry=second console=hvc0 DEBIAN_FRONTEND=text\n/);
  });

  it("boots from XFS, its loader a restricted user's", async () => {
    // The user is that of the range in dom0's passwd(5), and the guest's number.
    const environment = "LIBXL_BOOTLOADER_RESTRICT=1 LIBXL_BOOTLOADER_TIMEOUT=1000";
    const start = await create("debian", { disk: DISKS.xfs, environment, settings: "memory=256" });
    expect(start).toMatchObject({ status: 0 });
    expect(start.said).toMatch(/bootloader arg: --runas=3000\d\d\n/);
    const console = await consoleOf("debian");
    expect(console).toContain(`${INSTALLED_SYSTEM}: on xfs, xen PV`);
    expect(console).toMatch(/its kernel was told: .*entry=first console=hvc0 DEBIAN_FRONTEND=text\n/);
    expect(await leftBehind()).toBe("");
  });
});

describe("beside upstream's pygrub in the same dom0", () => {
  it("boots the same from ext4; both are timed in turn", async () => {
    const { output } = await run(TIMED_IN_TURN);
    const runs = output
      .trim()
      .split("\n")
      .map((line) => line.split(" "));
    const timesOf = (loader: string) => runs.filter(([name]) => name === loader).map(([, ms]) => Number(ms));
    const [ours, upstream] = [timesOf("guestboot"), timesOf("pygrub")];
    for (const times of [ours, upstream]) {
      expect(times).toHaveLength(ROUNDS);
      for (const ms of times) expect(ms).toBeGreaterThan(0);
    }
    // Digests of kernel, ramdisk and arguments.
    expect(new Set(runs.map(([, , ...digests]) => digests.join(" "))).size).toBe(1);
    console.log(
      `loader's time in dom0 from ext4, ms: ours ${ours.join(", ")}; upstream's pygrub ${upstream.join(", ")}`,
    );
  });
});

const ROUNDS = 3;

/** As libxl calls them. */
const TIMED_IN_TURN = `for round in $(seq ${ROUNDS}); do for loader in guestboot pygrub; do
  mkdir /run/timed; : >/run/timed.out; start=\${EPOCHREALTIME/./}
  $loader --args=extra --quiet --output=/run/timed.out --output-format=simple0 --output-directory=/run/timed ${DISKS.ext4} >/run/timed.log 2>&1 || { cat /run/timed.log; exit 1; }
  end=\${EPOCHREALTIME/./}
  args=$(tr '\\0' '\\n' </run/timed.out | sed -n 's/^args //p' | md5sum)
  files=$(cd /run/timed; for role in kernel ramdisk; do md5sum <$(ls | grep $role); done)
  echo $loader $(((end - start) / 1000)) $args $files
  rm -r /run/timed /run/timed.out
done; done`;
