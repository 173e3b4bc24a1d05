/** Reads a repository over NFS version 3 and prints what came: run by nfs3.real.test.ts where a portmapper is. */
import * as fs from "node:fs";
import { parseLocation } from "../../src/repository/location.ts";
import { openRepository } from "../../src/repository/open.ts";
import { textOf } from "./reading.ts";

const [root = "", ...addresses] = process.argv.slice(2);
const printed: unknown[] = [];
for (const address of addresses) {
  await using repository = await openRepository(parseLocation(address));
  const first = await repository.fetch("images/vmlinuz");
  if (first.outcome !== "content") throw new Error(first.outcome);
  const text = await textOf(first);
  const again = await repository.fetch("images/vmlinuz", { unless: first.facts });
  fs.writeFileSync(`${root}/os/images/vmlinuz`, `${text}+`);
  await using later = await openRepository(parseLocation(address));
  const changed = await later.fetch("images/vmlinuz", { unless: first.facts });
  if (changed.outcome !== "content") throw new Error(changed.outcome);
  printed.push({
    etag: first.facts.etag,
    text,
    again: again.outcome,
    changed: await textOf(changed),
    missing: await repository.look("images/none"),
  });
}
process.stdout.write(JSON.stringify(printed));
