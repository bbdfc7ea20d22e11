import { ClientSession, Collection, Db, MongoClient } from "mongodb";
import { COLLECTION_OPERATIONS } from "./collection-operations.js";
import { Entities, collectionOf } from "./entities.js";
import { matchError } from "./expected-error.js";
import { match } from "./match.js";
import { CLIENT_OPERATIONS, DATABASE_OPERATIONS, SESSION_OPERATIONS } from "./other-operations.js";
import { Deviation, NotRunnable } from "./outcomes.js";
import type { CollectionData, ExpectedEvents, Operation, Spec, SpecFile, SpecTest } from "./spec-file.js";
import { RUNNER_OPERATIONS, type RunnerContext } from "./test-runner-operations.js";

/**
 * Runs one test of a file against the deployment at `uri`.
 * Throws Deviation or the unexpected error when it does not hold, NotRunnable when this runner lacks something.
 */
export async function runTest(file: SpecFile, test: SpecTest, uri: string, ownClient: MongoClient): Promise<void> {
  const entities = new Entities(uri);
  const failPoints = new Set<string>();
  const context: RunnerContext = { entities, ownClient, failPoints, runAll: (operations) => runAll(context, operations as Operation[]) };
  try {
    // A file without data of its own must not depend on what the file before it left.
    if (file.initialData.length === 0) await dropDatabases(ownClient, file.createEntities);
    for (const data of file.initialData) await loadData(ownClient, data);
    await entities.create(file.createEntities);
    await runAll(context, test.operations);
    for (const expected of test.expectEvents ?? []) matchEvents(expected, entities);
    for (const data of test.outcome ?? []) await matchOutcome(ownClient, data, entities);
  } finally {
    for (const name of failPoints) await ownClient.db("admin").command({ configureFailPoint: name, mode: "off" });
    await entities.close();
  }
}

async function runAll(context: RunnerContext, operations: readonly Operation[]): Promise<void> {
  for (const operation of operations) await runOne(context, operation);
}

async function runOne(context: RunnerContext, operation: Operation): Promise<void> {
  const { entities } = context;
  let result: unknown;
  try {
    result = await execute(context, operation);
  } catch (error) {
    if (error instanceof NotRunnable || error instanceof Deviation) throw error;
    if (operation.ignoreResultAndError === true) return;
    if (operation.expectError === undefined) throw error;
    matchError(operation.expectError, error, entities);
    return;
  }
  if (operation.ignoreResultAndError === true) return;
  if (operation.expectError !== undefined) throw new Deviation(`${operation.name} succeeded, expected an error`);
  if (operation.saveResultAsEntity !== undefined) entities.set(operation.saveResultAsEntity, result);
  if (operation.expectResult !== undefined) match(operation.expectResult, result, entities);
}

function execute(context: RunnerContext, operation: Operation): Promise<unknown> {
  const { entities } = context;
  const { name } = operation;
  if (operation.object === "testRunner") return orNotRunnable(RUNNER_OPERATIONS[name], name)(context, operation.arguments ?? {});
  const args = withSession(operation.arguments ?? {}, entities);
  const target = entities.get(operation.object);
  if (target instanceof Collection) return orNotRunnable(COLLECTION_OPERATIONS[name], name)(collectionOf(target), args);
  if (target instanceof Db) return orNotRunnable(DATABASE_OPERATIONS[name], name)(target, args);
  if (target instanceof ClientSession && name === "withTransaction") {
    const { callback, ...options } = args;
    return target.withTransaction(() => context.runAll(callback), options);
  }
  if (target instanceof ClientSession) return orNotRunnable(SESSION_OPERATIONS[name], name)(target, args);
  if (target instanceof MongoClient) return orNotRunnable(CLIENT_OPERATIONS[name], name)(target, args);
  throw new NotRunnable(`operation ${name} on ${operation.object} is not supported by this runner`);
}

function orNotRunnable<T>(operation: T | undefined, name: string): T {
  if (operation === undefined) throw new NotRunnable(`operation ${name} is not supported by this runner`);
  return operation;
}

function withSession(args: Spec, entities: Entities): Spec {
  return typeof args["session"] === "string" ? { ...args, session: entities.session(args["session"]) } : args;
}

async function dropDatabases(client: MongoClient, entities: readonly Spec[]): Promise<void> {
  for (const { database } of entities) {
    const name = (database as Spec | undefined)?.["databaseName"];
    if (typeof name === "string") await client.db(name).dropDatabase();
  }
}

async function loadData(client: MongoClient, data: CollectionData): Promise<void> {
  const db = client.db(data.databaseName, { writeConcern: { w: "majority" } });
  await db.collection(data.collectionName).drop();
  if (data.documents.length === 0) await db.createCollection(data.collectionName);
  else await db.collection<Spec>(data.collectionName).insertMany(data.documents);
}

async function matchOutcome(client: MongoClient, data: CollectionData, entities: Entities): Promise<void> {
  const found = await client.db(data.databaseName).collection(data.collectionName).find({}, { sort: { _id: 1 } }).toArray();
  match(data.documents, found, entities, `outcome of ${data.collectionName}`, false);
}

function matchEvents(expected: ExpectedEvents, entities: Entities): void {
  if ((expected.eventType ?? "command") !== "command") throw new NotRunnable(`events of type ${expected.eventType} are not observed by this runner`);
  const actual = entities.events(expected.client);
  const names = actual.map(({ name, body }) => `${name} ${String(body["commandName"])}`).join(", ");
  const tooMany = actual.length > expected.events.length && expected.ignoreExtraEvents !== true;
  if (tooMany || actual.length < expected.events.length) throw new Deviation(`${actual.length} events [${names}], expected ${expected.events.length}`);
  expected.events.forEach((event, index) => matchEvent(event, actual[index], entities, index));
}

function matchEvent(expected: Spec, actual: { name: string; body: Spec } | undefined, entities: Entities, index: number): void {
  const [[name, body] = ["nothing", {}]] = Object.entries(expected);
  if (actual?.name !== name) throw new Deviation(`event ${index} is ${String(actual?.name)}, expected ${name}`);
  for (const [key, wanted] of Object.entries(body as Spec)) match(wanted, actual.body[key], entities, `event ${index} ${key}`);
}
