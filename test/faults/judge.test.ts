/**
 * The judge finds each way in which a start can end wrongly, and the points leave no call of a trace out.
 */
import { describe, expect, it } from "vitest";
import { judge, type Seen } from "./judge.ts";
import { isPossible, listPoints } from "./points.ts";
import { placesOf, readTrace, stepOf } from "./trace.ts";
import { uncoveredPlaces, wantedPlaces } from "./try-points.ts";

const hit = { name: "openat", nth: 3, target: "/cache/tmp/x", isInjected: true };
const failed: Seen = {
  error: "EIO",
  hit,
  place: "openat /tmp/TEMPORARY, number 2",
  status: 1,
  signal: null,
  stdout: "",
  stderr: "RuntimeError: the cache cannot be written: i/o error\n",
  isAnswerRight: null,
  record: "before",
  bootFiles: [],
  cacheFault: null,
  nextFault: null,
  leftOver: [],
};
const done: Seen = { ...failed, status: 0, stdout: "kernel k\n\n", stderr: "", isAnswerRight: true, record: "after" };

describe("the judge", () => {
  it("lets a clean failure and a harmless fault pass", () => {
    expect(judge(failed)).toEqual({ kind: "failed cleanly", findings: [] });
    expect(judge({ ...failed, record: "after" }).findings).toEqual([]);
    expect(judge(done)).toEqual({ kind: "harmless", findings: [] });
  });

  it("takes an abort for want of a thread of the runtime's own, and nothing else of it", () => {
    const aborted = { ...failed, hit: { ...hit, name: "clone3" }, status: null, signal: "SIGABRT", stderr: "" };
    expect(judge(aborted)).toEqual({ kind: "aborted", findings: [] });
    expect(judge({ ...aborted, record: null, leftOver: ["tmp/x"] }).findings).toHaveLength(2);
    expect(judge({ ...aborted, stdout: "kernel k\n\n" }).findings).not.toEqual([]);
  });

  it("does not count a start that never came to the fault", () => {
    expect(judge({ ...done, hit: null }).kind).toBe("missed");
  });

  it.each<[string, Partial<Seen>, RegExp]>([
    ["a record that is neither", { record: null }, /neither/],
    ["a cache that is not sound", { cacheFault: "damaged: sha256:00" }, /not sound: damaged/],
    ["a next start that fails", { nextFault: "exit status 1" }, /next start: exit status 1/],
    ["a file that is left over", { leftOver: ["tmp/host~1~2"] }, /left behind: tmp\/host~1~2/],
    ["a boot file of a failed start", { bootFiles: ["boot_kernel.aaaaaa"] }, /left in the boot directory/],
    ["an answer of a failed start", { stdout: "kernel k\n\n" }, /failed after an answer/],
    ["an end by a signal", { status: null, signal: "SIGABRT" }, /SIGABRT/],
    ["another exit status", { status: 134 }, /exit status 134/],
    ["no words", { stderr: "" }, /wrong form/],
    ["two lines", { stderr: "RuntimeError: i/o error\nand more\n" }, /wrong form/],
    ["words of a defect", { stderr: "RuntimeError: unexpected: EIO: i/o error, read\n" }, /told as a defect/],
    ["words without the cause", { stderr: "RuntimeError: it did not work\n" }, /cause not named/],
  ])("finds %s", (_name, change, words) => {
    expect(judge({ ...failed, ...change }).findings).toContainEqual(expect.stringMatching(words));
  });

  it.each<[string, Partial<Seen>, RegExp]>([
    ["wrong bytes under a good answer", { isAnswerRight: false }, /not right/],
    ["a good answer and the record of before", { record: "before" }, /before/],
    ["a file beside the answered ones", { bootFiles: ["boot_kernel.bbbbbb"] }, /boot directory/],
  ])("finds %s", (_name, change, words) => {
    expect(judge({ ...done, ...change }).findings).toContainEqual(expect.stringMatching(words));
  });
});

// As strace 6.1 writes them with -y.
const LOG = `openat(AT_FDCWD</w>, "/lib/libc.so.6", O_RDONLY|O_CLOEXEC) = 3</lib/libc.so.6>
openat(AT_FDCWD</w>, "/etc/own.conf", O_RDONLY) = -1 ENOENT (No such file or directory)
write(6<pipe:[42]>, "*", 1)             = 1
read(20<anon_inode:[eventfd]>, "\\1\\0\\0\\0\\0\\0\\0\\0", 1024) = 8
openat(AT_FDCWD</w>, "/w/tmp/vm~77~43a2f", O_WRONLY|O_CREAT|O_EXCL, 0600) = 21</w/tmp/vm~77~43a2f>
write(21</w/tmp/vm~77~43a2f>, "{}", 2)  = 2
rename("/w/tmp/vm~77~43a2f", "/w/index/a.json") = 0
read(23<socket:[99]>, "HTTP/1.1 200 OK", 65536) = 15
write(1<pipe:[43]>, "kernel k\\n\\n", 10) = 10
`;

describe("the list of points", () => {
  const calls = readTrace(LOG);

  it("counts each call among those of its name, from the program's own first one on", () => {
    const met = listPoints(calls, "/etc/own.conf").map(({ call, nth, error }) => `${call} ${nth} ${error}`);
    for (const point of ["openat 2 EIO", "openat 3 EMFILE", "write 2 ENOSPC", "rename 1 EIO", "read 2 ECONNRESET"]) {
      expect(met).toContain(point);
    }
    expect(met).toContain("write 3 EINTR");
    expect(met.filter((point) => point.startsWith("openat 1 "))).toEqual([]);
    // The event loop's.
    expect(met.filter((point) => /^(?:write 1|read 1) /.test(point))).toEqual([]);
  });

  it("takes an error only for a call that the system can give it to", () => {
    const [, , , , , , , , answer] = calls;
    const point = { call: "write", nth: 3, counted: "thread" } as const;
    if (answer === undefined) throw new Error("the log's last call is the answer");
    expect(isPossible({ ...point, error: "EINTR" }, answer)).toBe(true);
    expect(isPossible({ ...point, error: "EIO" }, answer)).toBe(false);
  });

  it("knows a call again in another run", () => {
    const steps = calls.map((call) => stepOf(call, ["/w"]));
    expect(steps).toContain("rename /tmp/TEMPORARY → /index/a.json");
    expect(steps).toContain("read socket");
  });

  it("says which error was put into no call of that place, whatever its number was", () => {
    const trace = { calls, folder: "/w" };
    const point = (nth: number, error: string) => ({ call: "write", nth, error, counted: "thread" }) as const;
    const wanted = wantedPlaces([point(2, "ENOSPC"), point(2, "EIO")], [trace, trace]);
    expect(wanted.map(({ place }) => place)).toEqual(Array(2).fill("write /tmp/TEMPORARY, number 1"));
    // Another run, in which something else was written before.
    const log = `write(1<pipe:[4]>, "a", 1) = 1
write(9<pipe:[5]>, "b", 1) = 1
write(30</x/tmp/other~78~1>, "{}", 2) = -1 ENOSPC (No space left on device) (INJECTED)
`;
    const injected = readTrace(log);
    expect(injected.map(({ isInjected }) => isInjected)).toEqual([false, false, true]);
    const seen = { ...failed, place: placesOf(injected, ["/x"]).at(-1) ?? null };
    const tried = [{ point: point(3, "ENOSPC"), seen, verdict: judge(seen) }];
    expect(uncoveredPlaces(wanted, []).length).toBe(2);
    expect(uncoveredPlaces(wanted, tried).map((each) => each.point.error)).toEqual(["EIO"]);
  });

  it("counts a call on its file alone, where the file has the same name in each run", () => {
    const trace = { calls, folder: "/w" };
    const point = { call: "openat", nth: 2, error: "EIO", counted: "thread" } as const;
    const own = calls.find(({ name, nth }) => name === "openat" && nth === 2)?.target;
    expect(wantedPlaces([point], [trace])[0]?.onPath).toEqual({ ...point, nth: 1, counted: { path: own } });
    const temporary = { call: "write", nth: 2, error: "EIO", counted: "thread" } as const;
    expect(wantedPlaces([temporary], [trace])[0]?.onPath).toBeNull();
  });

  it("closes without a fault what the kernel says of itself", () => {
    const text = `${LOG}close(24</proc/meminfo>) = 0\nclose(24</w/a.json>) = 0\n`;
    const met = listPoints(readTrace(text), "/etc/own.conf").filter(({ call }) => call === "close");
    expect(met.map(({ nth }) => nth)).not.toContain(1);
    expect(met.map(({ nth }) => nth)).toContain(2);
  });

  it("wants no call that only one of the starts has", () => {
    const more = readTrace(`${LOG}read(23<socket:[99]>, "more", 65536) = 4\n`);
    const point = { call: "read", nth: 3, error: "ECONNRESET", counted: "thread" } as const;
    expect(wantedPlaces([point], [{ calls: more, folder: "/w" }])).toHaveLength(1);
    const both = [more, calls].map((each) => ({ calls: each, folder: "/w" }));
    expect(wantedPlaces([point], both)).toEqual([]);
  });
});
