import { MongoError, MongoNetworkError, MongoServerError, type ClientSession, type MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { conflict } from "../../src/kernel/errors.js";
import { translateDriverError } from "../../src/storage/driver-errors.js";
import { runTransaction } from "../../src/storage/transaction.js";
import { FenceRefused } from "../../src/storage/fence.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { newDocument, openTestHome, openTestStore } from "../support/homes.js";
import { contextOf, policies } from "../support/tenants.js";

function serverError(code: number, labels: readonly string[] = []): MongoServerError {
  const error = new MongoServerError({ message: "E11000 key of tenant acme-2 at shard0.example", code, errorLabels: [...labels] });
  for (const label of labels) error.addErrorLabel(label);
  return error;
}

describe("errors of the driver", () => {
  it.each([
    [new MongoNetworkError("connect ECONNREFUSED 10.0.0.7:27017"), "SERVICE_UNAVAILABLE"],
    [Object.assign(new Error("This socket has been ended by the other party"), { code: "EPIPE" }), "SERVICE_UNAVAILABLE"],
    [serverError(10_107), "SERVICE_UNAVAILABLE"],
    [serverError(50), "SERVICE_UNAVAILABLE"],
    [serverError(1, ["TransientTransactionError"]), "SERVICE_UNAVAILABLE"],
    [serverError(11_000), "CONFLICT"],
    [serverError(121), "INTERNAL"],
    [serverError(2), "INTERNAL"],
  ])("get a code of the catalogue and keep their text to themselves: %s", (error, code) => {
    const translated = translateDriverError(error);
    expect(translated).toMatchObject({ code, cause: error });
    expect((translated as Error).message).not.toMatch(/acme|shard0|10\.0\.0/);
  });

  it("are the only ones that are translated", () => {
    for (const error of [conflict("x"), new FenceRefused("acme" as never, 1), new TypeError("x"), "text"]) expect(translateDriverError(error)).toBe(error);
  });
});

/** A session whose commits and aborts go as scripted: such failures cannot be ordered from a real server at will. */
function scriptedClient(commits: readonly (MongoError | undefined)[]): { client: MongoClient; log: string[] } {
  const log: string[] = [];
  let commit = 0;
  let running = false;
  const session = {
    startTransaction: () => void ((running = true), log.push("start")),
    inTransaction: () => running,
    abortTransaction: async () => void ((running = false), log.push("abort")),
    commitTransaction: async () => {
      log.push("commit");
      const error = commits[commit];
      commit += 1;
      if (error !== undefined) throw error;
      running = false;
    },
    endSession: async () => void log.push("end"),
  };
  return { client: { startSession: () => session as unknown as ClientSession } as unknown as MongoClient, log };
}

describe("a transaction", () => {
  it("repeats a commit of unknown outcome without running its work again", async () => {
    const { client, log } = scriptedClient([serverError(91, ["UnknownTransactionCommitResult"]), serverError(91, ["UnknownTransactionCommitResult"])]);
    let runs = 0;
    expect(await runTransaction(client, async () => (runs += 1))).toBe(1);
    expect(log).toEqual(["start", "commit", "commit", "commit", "end"]);
  });

  it("runs again as a whole after a transient conflict, also one of the commit", async () => {
    const { client, log } = scriptedClient([serverError(112, ["TransientTransactionError"])]);
    let runs = 0;
    const value = await runTransaction(client, async () => {
      runs += 1;
      if (runs === 1) throw serverError(112, ["TransientTransactionError"]);
      return runs;
    });
    expect(value).toBe(3);
    expect(log).toEqual(["start", "abort", "start", "commit", "start", "commit", "end"]);
  });

  it("is aborted and not repeated when its work refuses", async () => {
    const { client, log } = scriptedClient([]);
    await expect(runTransaction(client, () => Promise.reject(conflict("no")))).rejects.toMatchObject({ code: "CONFLICT" });
    expect(log).toEqual(["start", "abort", "end"]);
  });
});

describe("a database that goes away", () => {
  let deployment: TestDeployment;
  beforeAll(async () => {
    deployment = await startTestDeployment();
  });
  afterAll(() => deployment.close());

  it("makes reads and writes fail as unavailable, and no write is left half done", async () => {
    const client = await deployment.connect();
    const home = await openTestHome(deployment, { suffix: "gone", client });
    const context = contextOf("acme");
    const store = await openTestStore(home, context);
    await store.documents.add(newDocument(), policies.PRO);
    const writing = Promise.allSettled(Array.from({ length: 20 }, () => store.documents.add(newDocument(), policies.PRO)));
    await client.close(true);
    const outcomes = await writing;
    for (const outcome of outcomes) if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    await expect(store.documents.get(newDocument().id)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    await expect(store.documents.add(newDocument(), policies.PRO)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    const db = deployment.client.db(home.database.db.databaseName);
    const [documents, raws, totals] = await Promise.all([db.collection("documents").countDocuments(), db.collection("raw_documents").countDocuments(), db.collection("totals").findOne()]);
    expect([raws, totals?.["documents"]]).toEqual([documents, documents]);
  });
});
