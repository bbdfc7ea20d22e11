import { MongoClient, type ClientSession, type Document } from "mongodb";
import type { Entities } from "./entities.js";
import { match } from "./match.js";
import { Deviation, NotRunnable } from "./outcomes.js";
import type { Spec } from "./spec-file.js";

/** What the operations of the object `testRunner` need beside the entities. */
export interface RunnerContext {
  entities: Entities;
  /** A client of the runner's own, whose commands no test sees. */
  ownClient: MongoClient;
  /** Names of fail points to switch off after the test. */
  failPoints: Set<string>;
  runAll(operations: unknown): Promise<void>;
}

type RunnerOperation = (context: RunnerContext, args: Spec) => Promise<void>;

export const RUNNER_OPERATIONS: Readonly<Record<string, RunnerOperation>> = {
  createEntities: ({ entities }, args) => entities.create(args["entities"] as Spec[]),
  failPoint: async ({ entities, failPoints }, args) => {
    const failPoint = args["failPoint"] as Document;
    await entities.client(String(args["client"])).db("admin").command(failPoint);
    failPoints.add(String(failPoint["configureFailPoint"]));
  },
  // Without several mongos a session's server is the only one.
  targetedFailPoint: async ({ ownClient, failPoints }, args) => {
    const failPoint = args["failPoint"] as Document;
    await ownClient.db("admin").command(failPoint);
    failPoints.add(String(failPoint["configureFailPoint"]));
  },
  assertCollectionExists: (context, args) => assertListed(context, args, true),
  assertCollectionNotExists: (context, args) => assertListed(context, args, false),
  assertIndexExists: (context, args) => assertIndexed(context, args, true),
  assertIndexNotExists: (context, args) => assertIndexed(context, args, false),
  assertSessionDirty: async ({ entities }, args) => assertDirty(entities.session(String(args["session"])), true),
  assertSessionNotDirty: async ({ entities }, args) => assertDirty(entities.session(String(args["session"])), false),
  assertSessionPinned: async ({ entities }, args) => assertPinned(entities.session(String(args["session"])), true),
  assertSessionUnpinned: async ({ entities }, args) => assertPinned(entities.session(String(args["session"])), false),
  assertSessionTransactionState: async ({ entities }, args) => assertState(entities.session(String(args["session"])), String(args["state"])),
  assertSameLsidOnLastTwoCommands: async ({ entities }, args) => assertLsids(entities, String(args["client"]), true),
  assertDifferentLsidOnLastTwoCommands: async ({ entities }, args) => assertLsids(entities, String(args["client"]), false),
  loop: async () => {
    throw new NotRunnable("loops are not supported by this runner");
  },
};

async function assertListed({ ownClient }: RunnerContext, args: Spec, expected: boolean): Promise<void> {
  const names = await ownClient.db(String(args["databaseName"])).listCollections({}, { nameOnly: true }).toArray();
  const exists = names.some(({ name }) => name === args["collectionName"]);
  if (exists !== expected) throw new Deviation(`collection ${String(args["collectionName"])} ${exists ? "exists" : "does not exist"}, expected the contrary`);
}

async function assertIndexed({ ownClient }: RunnerContext, args: Spec, expected: boolean): Promise<void> {
  const collection = ownClient.db(String(args["databaseName"])).collection(String(args["collectionName"]));
  const exists = await collection.indexExists(String(args["indexName"]));
  if (exists !== expected) throw new Deviation(`index ${String(args["indexName"])} ${exists ? "exists" : "does not exist"}, expected the contrary`);
}

async function assertDirty(session: ClientSession, expected: boolean): Promise<void> {
  const dirty = session.serverSession?.isDirty ?? false;
  if (dirty !== expected) throw new Deviation(`the session is ${dirty ? "" : "not "}dirty, expected the contrary`);
}

async function assertPinned(session: ClientSession, expected: boolean): Promise<void> {
  if (session.isPinned !== expected) throw new Deviation(`the session is ${session.isPinned ? "" : "not "}pinned, expected the contrary`);
}

async function assertState(session: ClientSession, expected: string): Promise<void> {
  const states: Readonly<Record<string, string>> = {
    none: "NO_TRANSACTION", starting: "STARTING_TRANSACTION", in_progress: "TRANSACTION_IN_PROGRESS",
    committed: "TRANSACTION_COMMITTED", aborted: "TRANSACTION_ABORTED",
  };
  const { transaction } = session as unknown as { transaction: { state: string } };
  if (transaction.state !== states[expected]) throw new Deviation(`the transaction is ${transaction.state}, expected ${expected}`);
}

function assertLsids(entities: Entities, clientId: string, same: boolean): void {
  const commands = entities.events(clientId).filter(({ name }) => name === "commandStartedEvent");
  const [first, second] = commands.slice(-2).map(({ body }) => (body["command"] as Spec)["lsid"]);
  let equal = true;
  try {
    match(first, second, entities);
  } catch (error) {
    if (!(error instanceof Deviation)) throw error;
    equal = false;
  }
  if (equal !== same) throw new Deviation(`the last two commands had ${equal ? "the same" : "different"} session ids, expected the contrary`);
}
