import { describe, expect, it } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { serviceUnavailable } from "../../src/kernel/errors.js";
import { isRefusal } from "../../src/kernel/refusal.js";
import { PassagePresence } from "../../src/orchestrator/passage-presence.js";
import type { TenantStore } from "../../src/storage/tenant-store.js";
import type { TenantContext } from "../../src/tenancy/tenant-context.js";
import { contextOf } from "../metering/spend-fixtures.js";
import { openBench } from "./ask-bench.js";

/** A store of tenants' counts whose reads end when told. */
class Counts {
  readonly chunks = new Map<string, number>();
  reads = 0;
  isDown = false;
  held: Promise<void> = Promise.resolve();

  async read<T>(context: TenantContext, _deadline: Deadline, work: (store: TenantStore) => Promise<T>): Promise<T> {
    this.reads += 1;
    if (this.isDown) throw new TypeError("The store is down");
    const chunks = this.chunks.get(context.tenantId) ?? 0;
    await this.held;
    return work({ chunks: { statistics: async () => ({ chunks, meanLength: 0, revision: 0 }) } } as unknown as TenantStore);
  }
}

const deadline = (): Deadline => Deadline.after(30_000);

describe("whether a tenant has anything to search", () => {
  it("is asked anew while there is nothing: a document that has become ready is found by the next question", async () => {
    const counts = new Counts();
    const presence = new PassagePresence(counts);
    const context = contextOf();
    expect([await presence.isEmpty(context, deadline()), await presence.isEmpty(context, deadline())]).toEqual([true, true]);
    counts.chunks.set(context.tenantId, 1);
    expect(await presence.isEmpty(context, deadline())).toBe(false);
  });

  it("is remembered once there is something, and of that tenant alone", async () => {
    const counts = new Counts();
    const presence = new PassagePresence(counts);
    counts.chunks.set("acme", 3);
    for (let question = 0; question < 5; question += 1) expect(await presence.isEmpty(contextOf(), deadline())).toBe(false);
    expect(counts.reads).toBe(1);
    expect(await presence.isEmpty(contextOf({ tenant: "globex" }), deadline())).toBe(true);
  });

  it("is not told by a read that began before the question came", async () => {
    const counts = new Counts();
    const presence = new PassagePresence(counts);
    let letGo: (() => void) | undefined;
    counts.held = new Promise((resolve) => (letGo = resolve));
    const before = presence.isEmpty(contextOf(), deadline());
    counts.chunks.set("acme", 1);
    const after = [presence.isEmpty(contextOf(), deadline()), presence.isEmpty(contextOf(), deadline())];
    letGo?.();
    expect(await before).toBe(true);
    expect(await Promise.all(after)).toEqual([false, false]);
    expect(counts.reads).toBe(2);
  });

  it("is not said to be nothing when the store fails, and a deadline ends the wait", async () => {
    const counts = new Counts();
    const presence = new PassagePresence(counts);
    counts.isDown = true;
    expect(await presence.isEmpty(contextOf(), deadline())).toBe(false);
    const other = new Counts();
    other.held = new Promise(() => {});
    const over = deadline();
    const waiting = new PassagePresence(other).isEmpty(contextOf(), over);
    over.abort(serviceUnavailable("The client went away"));
    await expect(waiting).rejects.toThrow("The client went away");
  });
});

it("a question of a tenant without documents embeds nothing, and the next one after its first document does", async () => {
  const bench = openBench();
  bench.passages = [];
  bench.chunks = 0;
  const ask = async (): Promise<readonly string[]> => {
    const before = bench.ledger.rows.length;
    expect(isRefusal(await bench.answers.run(contextOf(), deadline(), { question: "How long is the notice period?" }, "ask"))).toBe(false);
    return bench.ledger.rows.slice(before).map(({ kind }) => kind);
  };
  expect(await ask()).toEqual(["COMPLETION"]);
  bench.chunks = 1;
  // The same request and path make the same row of the ledger: the first completion's is there already.
  expect(await ask()).toEqual(["EMBEDDING"]);
});
