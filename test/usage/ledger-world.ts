import type { Collection, Db, Document } from "mongodb";
import type { RequestId } from "../../src/kernel/ids.js";
import type { ControlPlane } from "../../src/storage/control/control-plane.js";
import { openControlPlane } from "../../src/storage/control/open-control-plane.js";
import { openLedger } from "../../src/storage/control/open-ledger.js";
import { addUsage, noUsage, type UsageGroup, type UsageGrouping, type UsageRow } from "../../src/storage/control/usage-rows.js";
import { declareCollections } from "../../src/storage/declare-collections.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { testEmbedding } from "../support/homes.js";

export type LedgerRow = Omit<UsageRow, "id">;
type Ledger = ReturnType<typeof openLedger>;

/** Called before a method of a collection; what it throws is what the database would. */
export type Interference = (collection: string, method: string) => Promise<void> | void;

/** A control plane in a database of its own, and as many servers on it as a test needs. */
export class LedgerWorld {
  private constructor(readonly deployment: TestDeployment, readonly db: Db, readonly control: ControlPlane) {}

  static async open(name: string): Promise<LedgerWorld> {
    const deployment = await startTestDeployment();
    const db = deployment.client.db(deployment.database(name));
    await declareCollections(db, "CONTROL", "POOL", testEmbedding);
    return new LedgerWorld(deployment, db, openControlPlane(deployment.client, db, { current: Buffer.alloc(32, 1) }));
  }

  server(interfere: Interference = () => {}): Ledger {
    return openLedger(meddledWith(this.db, interfere), this.control.markers);
  }

  close(): Promise<void> {
    return this.deployment.close();
  }
}

function meddledWith(db: Db, interfere: Interference): Db {
  const collection = (name: string): Collection<Document> => {
    const target = db.collection(name);
    return new Proxy(target, {
      get(_target, method): unknown {
        const member: unknown = Reflect.get(target, method, target);
        if (typeof member !== "function") return member;
        // Cursors are made at once and say nothing to the database yet; only what answers with a promise is met.
        if (method === "find" || method === "aggregate") return member.bind(target);
        return async (...given: unknown[]): Promise<unknown> => {
          await interfere(name, String(method));
          return Reflect.apply(member, target, given);
        };
      },
    });
  };
  return { collection, databaseName: db.databaseName } as unknown as Db;
}

export function rowAt(at: Date, callNumber: number, more: Partial<LedgerRow> = {}): LedgerRow {
  return {
    userPseudonym: "usr_a", requestId: "req_1" as RequestId, path: "ask", callNumber, kind: "COMPLETION", operation: "ask", model: "m1",
    promptTokens: 10, completionTokens: 5, priceVersion: "v1", costMicroUsd: 7, outcome: "OK", at, ...more,
  };
}

/** What a report must say, summed here. */
export function summed(rows: readonly LedgerRow[], { from, to, groupBy, user }: { from: Date; to: Date; groupBy: UsageGrouping; user?: string | undefined }): UsageGroup[] {
  const keyOf = (row: LedgerRow): string => ({ MODEL: row.model, USER: row.userPseudonym, OPERATION: row.operation, DAY: row.at.toISOString().slice(0, 10) })[groupBy];
  const byKey = new Map<string, UsageGroup>();
  for (const row of rows.filter((candidate) => candidate.at >= from && candidate.at < to && (user === undefined || candidate.userPseudonym === user))) {
    const key = keyOf(row);
    const { promptTokens, completionTokens, cachedPromptTokens = 0, reasoningTokens = 0, costMicroUsd } = row;
    const own = { calls: row.corrects === undefined ? 1 : 0, promptTokens, completionTokens, cachedPromptTokens, reasoningTokens, costMicroUsd };
    byKey.set(key, { key, ...addUsage(byKey.get(key) ?? noUsage, own) });
  }
  return [...byKey.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1));
}
