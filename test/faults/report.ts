/**
 * What the faults have shown, as a table: a row for each start and system call.
 */
import type { StartResult, Tried } from "./try-points.ts";

const HEAD = ["start", "system call", "points", "failed cleanly", "harmless", "aborted", "findings"] as const;

export function tableText(results: readonly StartResult[]): string {
  const rows = results.flatMap(({ start, tried }) => {
    const calls = [...new Set(tried.map(({ point }) => point.call))].sort();
    const each = calls.map((call) =>
      rowOf(
        start,
        call,
        tried.filter(({ point }) => point.call === call),
      ),
    );
    return [...each, rowOf(start, "all", tried)];
  });
  const lines = [[...HEAD], ...rows];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const text = (line: readonly string[]) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ");
  return `${lines.map((line) => text(line).trimEnd()).join("\n")}\n`;
}

function rowOf(start: string, call: string, tried: readonly Tried[]): string[] {
  const count = (kind: string) => tried.filter(({ verdict }) => verdict.kind === kind).length;
  const findings = tried.filter(({ verdict }) => verdict.findings.length > 0).length;
  return [
    start,
    call,
    ...[tried.length, count("failed cleanly"), count("harmless"), count("aborted"), findings].map(String),
  ];
}

/** A line for each thing that was wrong; empty when nothing was. */
export function findingsText(results: readonly StartResult[]): string {
  const lines = results.flatMap(({ start, tried, uncovered }) => [
    ...tried.flatMap(({ point, seen, verdict }) =>
      verdict.findings.map(
        (finding) => `${start}: ${point.call} ${point.nth} ${point.error} ${seen.hit?.target ?? ""}: ${finding}`,
      ),
    ),
    ...uncovered.map((step) => `${start}: was not tried: ${step}`),
  ]);
  return lines.map((line) => `${line}\n`).join("");
}
