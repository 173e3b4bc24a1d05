/**
 * Many layout checks side by side: at most eight at once to a host, and hosts do not wait for each other.
 */
import { asGuestbootError } from "../base/errors.ts";
import { parseLocation } from "../repository/location.ts";
import { openRepository, type RepositoryOptions } from "../repository/open.ts";
import type { PlannedCheck } from "./catalog-layouts.ts";
import { CheckedTree } from "./checked-tree.ts";
import { HostGate, REQUESTS_AT_ONCE } from "./host-gate.ts";
import { askedFor, checkLayout, type LayoutCheck, type LayoutCheckOptions, type LayoutWanted } from "./layout-check.ts";

export interface LayoutChecksOptions extends LayoutCheckOptions {
  readonly repository: RepositoryOptions;
  /** Is told of each check as soon as it is done; `index` is its place in the list. */
  readonly onDone: (check: LayoutCheck, index: number) => void;
}

/** @returns the checks in the order of `planned` */
export async function checkLayouts(
  planned: readonly PlannedCheck[],
  options: LayoutChecksOptions,
): Promise<LayoutCheck[]> {
  await using trees = new OpenTrees(planned, options.repository);
  const results: LayoutCheck[] = [];
  const byHost = Map.groupBy([...planned.entries()], ([, { addresses }]) => hostOf(addresses[0] ?? ""));
  await Promise.all(
    [...byHost.values()].flatMap((queue) =>
      Array.from({ length: REQUESTS_AT_ONCE }, async () => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
          const [index, { addresses, wanted }] = next;
          const check = await checkMirrors(addresses, wanted, trees, options);
          results[index] = check;
          options.onDone(check, index);
        }
      }),
    ),
  );
  return results;
}

/** The first mirror that has what is needed; where none has, what is wrong with each. */
async function checkMirrors(
  addresses: readonly string[],
  wanted: LayoutWanted,
  trees: OpenTrees,
  options: LayoutCheckOptions,
): Promise<LayoutCheck> {
  const failed: LayoutCheck[] = [];
  for (const [index, address] of addresses.entries()) {
    const check = await checkAddress(address, wanted, trees, options);
    if (check.ok) {
      for (const later of addresses.slice(index + 1)) await trees.release(later);
      return check;
    }
    failed.push(check);
  }
  const [first] = failed;
  if (first === undefined) throw new Error("a check without an address");
  if (failed.length === 1) return first;
  const each = (words: (check: LayoutCheck) => readonly string[]) =>
    failed.flatMap((check) => words(check).map((line) => `${check.repository}: ${line}`));
  return {
    ...first,
    problems: each(({ problems }) => problems),
    notes: each(({ notes }) => notes),
    tried: each(({ tried }) => tried),
    seconds: failed.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}

async function checkAddress(
  address: string,
  wanted: LayoutWanted,
  trees: OpenTrees,
  options: LayoutCheckOptions,
): Promise<LayoutCheck> {
  try {
    return await checkLayout(wanted, await trees.open(address), options);
  } catch (thrown) {
    const error = asGuestbootError(thrown);
    const notes = error.hint === undefined ? [] : [error.hint];
    // Not opened, so its address may not be shown: it may hold a password.
    const repository = shownAddress(address);
    const asked = askedFor(options.catalog, wanted);
    return { repository, ...asked, ok: false, problems: [error.message], notes, tried: [], seconds: 0 };
  } finally {
    await trees.release(address);
  }
}

/** Repositories that several checks share, each closed after its last check. */
class OpenTrees implements AsyncDisposable {
  readonly #options: RepositoryOptions;
  readonly #gates = new Map<string, HostGate>();
  readonly #trees = new Map<string, Promise<CheckedTree>>();
  /** Checks that are still to come, by address. */
  readonly #users = new Map<string, number>();

  constructor(planned: readonly PlannedCheck[], options: RepositoryOptions) {
    this.#options = options;
    for (const { addresses } of planned) {
      for (const address of addresses) this.#users.set(address, (this.#users.get(address) ?? 0) + 1);
    }
  }

  /** @throws INVALID_SOURCE and its kin for an address that cannot be used */
  async open(address: string): Promise<CheckedTree> {
    const tree = this.#trees.get(address) ?? this.#open(address);
    this.#trees.set(address, tree);
    return tree;
  }

  /** One check less needs the repository. */
  async release(address: string): Promise<void> {
    const users = (this.#users.get(address) ?? 0) - 1;
    this.#users.set(address, users);
    if (users <= 0) await this.#close(address);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const address of this.#trees.keys()) await this.#close(address);
  }

  async #open(address: string): Promise<CheckedTree> {
    const repository = await openRepository(parseLocation(address), this.#options);
    const host = hostOf(address);
    const gate = this.#gates.get(host) ?? new HostGate();
    this.#gates.set(host, gate);
    return new CheckedTree(repository, gate);
  }

  async #close(address: string): Promise<void> {
    const tree = this.#trees.get(address);
    this.#trees.delete(address);
    // One that was never opened has nothing to close.
    const opened = await tree?.catch(() => null);
    await opened?.repository[Symbol.asyncDispose]();
  }
}

/** Whom the requests burden, a server at its port; a local folder or a medium counts as a host of its own. */
function hostOf(address: string): string {
  // `http://mirror/` and `http://Mirror:80/` are one.
  const host = URL.parse(address)?.host ?? "";
  const name = host === "" ? /^nfs:(?:[^:/]*:)?([^:/]+):/i.exec(address)?.[1] : host;
  return name?.toLowerCase() ?? address;
}

function shownAddress(address: string): string {
  try {
    return parseLocation(address).address;
  } catch {
    return "";
  }
}
