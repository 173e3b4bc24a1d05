import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import { logicalVolumeOpener } from "../../src/disk/lvm/logical-volume.ts";
import { parseMetadata } from "../../src/disk/lvm/metadata-text.ts";
import { readVolumeGroup } from "../../src/disk/lvm/volume-group.ts";
import { readVolumes } from "../../src/disk/volumes.ts";
import { seeded } from "../base/seeded.ts";
import { withLvmDisk } from "./lvm-disk.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-lvm-hostile-"));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
const MIB = 1024 * 1024;

const damaged = (words: string): unknown =>
  expect.objectContaining({ code: "VOLUMES_DAMAGED", message: expect.stringContaining(words) as string });

describe("LVM's text", () => {
  it("is read with comments, lists, escapes and sections", () => {
    const { values, sections } = parseMetadata(
      'a = 1 # one\n# "no\nb="two \\"2\\" \\\\ { # }"\nlist = ["x", 3,\n"y"]\nempty = []\ninner { deep { c = -4 } }',
    );
    expect([...values]).toEqual([
      ["a", 1],
      ["b", 'two "2" \\ { # }'],
      ["list", ["x", 3, "y"]],
      ["empty", []],
    ]);
    expect(sections.get("inner")?.sections.get("deep")?.values.get("c")).toBe(-4);
  });

  it.each([
    ["a string without end", 'a = "x'],
    ["a string without end behind much space", `a = ${" ".repeat(100_000)}"x`],
    ["a section without end", "a {\nb = 1"],
    ["a list without end", "a = [1, 2"],
    ["a value without a key", '= "x"'],
    ["a key without a value", "a ="],
    ["a mark that closes nothing", "a = 1 }"],
    ["a list in a list", "a = [[1]]"],
    ["sections in sections without end", "a {".repeat(10_000)],
  ])("fails with a reason: %s", (_what, text) => {
    expect(() => parseMetadata(text)).toThrow(damaged("LVM's metadata are damaged"));
  });

  it("with millions of marks is read or refused", () => {
    for (const text of ["{", "}", "[", "a=[", "a{", '"', "#\n", "a=1 ", "\\"].map((each) => each.repeat(500_000))) {
      try {
        parseMetadata(text);
      } catch (error) {
        expect(error).toBeInstanceOf(GuestbootError);
      }
    }
  });
});

const segment = (text: string, start = 0, extents = 1) =>
  `segment1 {\nstart_extent = ${start}\nextent_count = ${extents}\n${text}\n}`;
const volume = (name: string, inside: string) =>
  `${name} {\nid = "${name}"\nstatus = ["READ", "VISIBLE"]\nsegment_count = 1\n${inside}\n}`;
const groupText = (volumes: string, extentSize = 8) => `guest {
id = "group"\nseqno = 1\nextent_size = ${extentSize}
physical_volumes { pv0 { id = "p-v"\npe_start = 8\npe_count = 10 } }
logical_volumes { ${volumes} } }`;
const onMember = (count: number, ...stripes: readonly (string | number)[]) =>
  `type = "striped"\nstripe_count = ${count}\nstripe_size = 8\nstripes = [${stripes.map((each) => JSON.stringify(each)).join(", ")}]`;
const present = new Map([["pv", memorySource(new Uint8Array(64 * 1024))]]);

function openFirst(volumes: string, extentSize?: number) {
  const group = readVolumeGroup(groupText(volumes, extentSize));
  const [first] = group.logicalVolumes.values();
  if (first === undefined) throw new Error("no volume");
  return logicalVolumeOpener(group, present)(first);
}

describe("a logical volume", () => {
  it("that is what it says is read", () => {
    expect(openFirst(volume("a", segment(onMember(1, "pv0", 0)))).size).toBe(4096);
  });

  it.each<[string, string, string]>([
    ["that lies on itself", volume("a", segment(onMember(1, "a", 0))), 'the volume "a" is made of itself'],
    [
      "that lies on itself by way of others",
      ["ab", "bc", "ca"].map(([from = "", to = ""]) => volume(from, segment(onMember(1, to, 0)))).join("\n"),
      "is made of itself",
    ],
    [
      "that lies on too many others",
      Array.from({ length: 20 }, (_, index) => volume(`v${index}`, segment(onMember(1, `v${index + 1}`, 0)))).join(
        "\n",
      ),
      "more than 8 deep",
    ],
    ["that lies on nothing", volume("a", segment(onMember(1))), "lies nowhere"],
    ["that lies on what is not there", volume("a", segment(onMember(1, "other", 0))), "not there"],
    ["past its physical volume", volume("a", segment(onMember(1, "pv0", 10))), "past its physical volume"],
    ["with a gap", volume("a", segment(onMember(1, "pv0", 0), 5)), "gap"],
    ["without extents", volume("a", segment(onMember(1, "pv0", 0), 0, 0)), "no size"],
    ["with a segment that is not there", volume("a", ""), "segment1 of a volume is missing"],
    ["with stripes that do not divide", volume("a", segment(onMember(3, "pv0", 0, "pv0", 1, "pv0", 2))), "divide"],
    [
      "with stripes of no size",
      volume("a", segment(onMember(2, "pv0", 0, "pv0", 1).replace("stripe_size = 8", "stripe_size = 0"), 0, 2)),
      "divide",
    ],
    ["at a place that is no number", volume("a", segment(onMember(1, "pv0", "x"))), "no sensible number"],
    ["at a place before the start", volume("a", segment(onMember(1, "pv0", -1))), "no sensible number"],
    ["of more extents than there are numbers", volume("a", segment(onMember(1, "pv0", 0), 0, 1e300)), "sensible"],
    [
      "of more segments than anything real",
      volume("a", "").replace("segment_count = 1", "segment_count = 4000000000"),
      "more than 200000 segments",
    ],
  ])("%s is damaged", (_what, text, words) => {
    expect(() => openFirst(text)).toThrow(damaged(words));
  });

  it("that is larger than 2^53 bytes is damaged", () => {
    const zero = segment('type = "zero"', 0, 2 ** 39);
    expect(() => openFirst(volume("a", zero), 2 ** 39)).toThrow(damaged("larger than anything real"));
  });

  it("that others lie on a million times is opened once", () => {
    const mirrored = (of: string) =>
      `type = "mirror"\nmirrors = [${Array.from({ length: 500 }, () => `"${of}", 0`).join(", ")}]`;
    const names = ["a", "b", "c", "d", "e", "f"];
    const text = names.map((name, index) => volume(name, segment(mirrored(names[index + 1] ?? "lost")))).join("\n");
    expect(() => openFirst(text)).toThrow(damaged("not there"));
  });
});

describe("an LVM disk with bytes changed by chance", () => {
  it("is read or says what is wrong with it", () => {
    const image = path.join(folder, "disk.img");
    withLvmDisk(image, 8, (disk) => {
      disk.lvm("pvcreate", "-ff", "-y", disk.device);
      disk.lvm("vgcreate", "-s", "1M", "guest", disk.device);
      disk.lvm("lvcreate", "-an", "-Zn", "-Wn", "-l", "3", "-n", "root", "guest");
    });
    const disk = fs.readFileSync(image);
    expect(readVolumes(memorySource(disk)).volumes.length).toBe(1);
    const random = seeded(8);
    for (let round = 0; round < 300; round++) {
      const bad = Buffer.from(disk);
      const at = round % 3 === 0 ? 512 : round % 3 === 1 ? 4096 : 4096 + 512;
      for (let change = 0; change < 2; change++) bad.writeUInt8(random() & 0xff, at + (random() % 128));
      if (round % 5 === 0) fitLabel(bad);
      const { volumes, refused } = readVolumes(memorySource(bad.subarray(0, MIB + (random() % (7 * MIB)))));
      expect(volumes.length + refused.length).toBeLessThan(3);
      for (const { source } of volumes) {
        try {
          source.read(0, Math.min(source.size, 4096));
        } catch (error) {
          expect(error).toBeInstanceOf(GuestbootError);
        }
      }
    }
  });
});

/** The label's checksum made to fit, so that what is behind it is looked at. */
function fitLabel(disk: Buffer): void {
  const { crc32 } = process.getBuiltinModule("node:zlib");
  const initial = ~0xf597a6cf >>> 0;
  disk.writeUInt32LE(~crc32(disk.subarray(512 + 20, 1024), initial) >>> 0, 512 + 16);
}
