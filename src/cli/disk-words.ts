/**
 * The picture of a guest's disk in lines for a person.
 */
import { printable } from "../base/printable.ts";
import type { InspectedDisk, InspectedVolume } from "../pipeline/inspect-disk.ts";

export function diskLines(disk: InspectedDisk): string[] {
  return [headLine(disk), ...disk.volumes.flatMap(volumeLines), ...bootLines(disk)].map(printable);
}

function headLine({ image, size, table, sectorSize }: InspectedDisk): string {
  if (image === "folder") return "folder that stands for a guest's disk";
  const format = image === "raw" ? "disk" : `disk (${image})`;
  const sectors = sectorSize === 512 ? "" : `, sectors of ${String(sectorSize)} bytes`;
  return `${format}, ${bytes(size)}, ${table === "none" ? "no partition table" : `partition table ${table}`}${sectors}`;
}

function volumeLines(volume: InspectedVolume): string[] {
  const { name, active, typeName, partitionUuid, partitionLabel, inside, size, filesystem, why, notes } = volume;
  const facts = [
    ...(size === null ? [] : [bytes(size)]),
    ...(typeName === "" ? [] : [`type ${typeName}`]),
    ...(active ? ["active"] : []),
    ...(partitionLabel === null ? [] : [`PARTLABEL "${partitionLabel}"`]),
    ...(partitionUuid === null ? [] : [`PARTUUID ${partitionUuid}`]),
    ...inside.map((each) => `inside ${each}`),
  ];
  const holds =
    filesystem === null
      ? [`cannot be read: ${why ?? "no filesystem"}`]
      : [
          [
            filesystem.type,
            ...(filesystem.label === null ? [] : [`label "${filesystem.label}"`]),
            ...(filesystem.uuid === null ? [] : [`UUID ${filesystem.uuid}`]),
          ].join(", "),
          ...(filesystem.features.length === 0 ? [] : [`features: ${filesystem.features.join(" ")}`]),
        ];
  return [
    `  ${name}${facts.length === 0 ? "" : `: ${facts.join(", ")}`}`,
    ...holds.map((line) => `    ${line}`),
    ...notes.map((note) => `    note: ${note}`),
  ];
}

function bootLines({ boots, bootsNot, notes }: InspectedDisk): string[] {
  const more = notes.map((note) => `note: ${note}`);
  if (boots === null) return [`boots nothing: ${bootsNot ?? ""}`, ...more];
  return [
    `boots "${boots.title}" (${boots.config} on ${boots.volume}, ${boots.syntax})`,
    `  kernel     ${boots.kernel}`,
    ...boots.ramdisks.map((ramdisk) => `  ramdisk    ${ramdisk}`),
    `  arguments  ${boots.arguments}`,
    ...more,
  ];
}

function bytes(count: number | null): string {
  return `${String(count ?? 0)} bytes`;
}
