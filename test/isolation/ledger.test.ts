import { MongoBulkWriteError } from "mongodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RequestId } from "../../src/kernel/ids.js";
import type { ControlPlane, UsageGrouping, UsageRow } from "../../src/storage/control/control-plane.js";
import { openControlPlane } from "../../src/storage/control/open-control-plane.js";
import { HourClaims } from "../../src/storage/control/hour-claims.js";
import { LedgerWriter } from "../../src/storage/control/ledger-writer.js";
import type { UsageDocument } from "../../src/storage/control/usage-documents.js";
import { declareCollections } from "../../src/storage/declare-collections.js";
import { Child } from "../support/child.js";
import type { LedgerErrand, LedgerNews } from "../support/ledger-worker.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { testEmbedding } from "../support/homes.js";
import { contextOf } from "../support/tenants.js";

const groupings: readonly UsageGrouping[] = ["MODEL", "USER", "OPERATION", "DAY"];
const [from, to] = [new Date("2026-06-01T00:00:00Z"), new Date("2026-07-01T00:00:00Z")];

/** Everything that could tell the tenants' rows apart is the same: only the tenant itself may. */
const row: Omit<UsageRow, "id"> = {
  userPseudonym: "usr_same", requestId: "req_same" as RequestId, path: "ask", callNumber: 0, kind: "COMPLETION", operation: "ask", model: "same-model",
  promptTokens: 100, completionTokens: 10, priceVersion: "v1", costMicroUsd: 7, outcome: "OK", at: new Date("2026-06-15T12:00:00Z"),
};

let deployment: TestDeployment;
let control: ControlPlane;

beforeAll(async () => {
  deployment = await startTestDeployment();
  const db = deployment.client.db(deployment.database("ledger"));
  await declareCollections(db, "CONTROL", "POOL", testEmbedding);
  control = openControlPlane(deployment.client, db, { current: Buffer.alloc(32, 1) });
  const [acme, globex] = [control.ledgerOf(contextOf("acme")), control.ledgerOf(contextOf("globex"))];
  await Promise.all([acme.append(row), globex.append(row), globex.append({ ...row, callNumber: 1 }), globex.append({ ...row, callNumber: 2, userPseudonym: "usr_other" })]);
});
afterAll(() => deployment.close());

describe("two tenants whose ledger rows are alike in everything else", () => {
  test.each(groupings)("are each reported their own rows alone, by %s, for the tenant and for one user", async (groupBy) => {
    const callsOf = async (tenant: string, user?: string): Promise<number> =>
      (await control.ledgerOf(contextOf(tenant)).report(from, to, groupBy, user)).reduce((total, { calls }) => total + calls, 0);
    expect([await callsOf("acme"), await callsOf("globex"), await callsOf("initech")]).toEqual([1, 3, 0]);
    expect([await callsOf("acme", "usr_same"), await callsOf("globex", "usr_same"), await callsOf("acme", "usr_other")]).toEqual([1, 2, 0]);
  });

  test("do not land on one row: the same call of two tenants is two, sent twice it is one", async () => {
    const acme = control.ledgerOf(contextOf("acme"));
    await Promise.all([acme.append(row), acme.append(row)]);
    expect(await acme.report(from, to, "MODEL")).toMatchObject([{ key: "same-model", calls: 1, costMicroUsd: 7 }]);
  });
});

describe("one call is one row", () => {
  test("when eight writers in two processes write the same hundred rows, and each is told that it is written", async () => {
    const database = deployment.client.db(deployment.database("ledger")).databaseName;
    const servers = [1, 2].map(() => Child.start<LedgerNews>("./ledger-worker.ts", [deployment.uri, database]));
    for (const server of servers) expect(await server.hear()).toBe("READY");
    for (const server of servers) server.tell({ tenant: "umbrella", writers: 4, rows: 100 } satisfies LedgerErrand);
    const news = await Promise.all(servers.map((server) => server.hear()));
    const outcomes = news.flatMap((said) => (said === "READY" ? [] : said.outcomes));
    expect(outcomes).toHaveLength(800);
    expect(new Set(outcomes)).toEqual(new Set(["WRITTEN"]));
    expect(await control.ledgerOf(contextOf("umbrella")).report(from, to, "MODEL")).toEqual([{ key: "same-model", calls: 100, promptTokens: 100, completionTokens: 100, cachedPromptTokens: 0, reasoningTokens: 0, costMicroUsd: 300 }]);
    await Promise.all(servers.map((server) => server.ended()));
  }, 60_000);

  test("and no row when the driver could not even send it: nobody is told that it is written", async () => {
    const db = deployment.client.db(deployment.database("ledger"));
    // What the driver makes of a wait for a connection that was too long: a bulk's error without one row's error.
    const noConnection: unknown = Object.assign(Object.create(MongoBulkWriteError.prototype), { message: "Timed out while checking out a connection", writeErrors: [], result: { getWriteConcernError: () => undefined } });
    const usage = { insertMany: () => Promise.reject(noConnection) } as unknown as ConstructorParameters<typeof LedgerWriter>[0];
    const writer = new LedgerWriter(usage, new HourClaims(db.collection("usage_hours")));
    const row = await db.collection<UsageDocument>("usage").findOne({ tenant_id: "acme" });
    await expect(writer.append({ ...(row ?? failed("The row is gone")), _id: "use_new" })).rejects.toBe(noConnection);
  });
});

function failed(why: string): never {
  throw new TypeError(why);
}
