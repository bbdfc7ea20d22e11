/*
 * What insert, update, delete and findAndModify share: the unit they stage in, the retry record, the commit.
 * Before it: the four commands; after it: engine/work-unit.ts.
 */
import { EngineError } from "../engine-error.js";
import { CatalogChanged } from "../engine/database.js";
import type { CollectionState } from "../engine/catalog.js";
import { StatementRecord } from "../engine/statement-record.js";
import { WorkUnit } from "../engine/work-unit.js";
import { flag } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";
import { writableDatabase, type CommandContext } from "./command.js";

export interface WriteScope {
  unit: WorkUnit;
  collection: CollectionState | undefined;
  record: StatementRecord | undefined;
}

/** An index or validator that changes under a write is rare; so many attempts outlast any sane series of them. */
const ATTEMPTS_MAX = 5;

/**
 * Runs statements in one unit and commits it; inside a transaction they stay in the transaction's unit.
 * `creates`: a missing collection is made first.
 */
export async function runWrite(context: CommandContext, name: string, creates: boolean, work: (scope: WriteScope) => Promise<Doc>): Promise<Doc> {
  const database = await writableDatabase(context);
  for (let attempt = 1; ; attempt += 1) {
    const collection = creates ? await database.ensureCollection(name) : database.catalog.get(name);
    if (context.transaction) return work({ unit: context.transaction.unitIn(database), collection, record: undefined });
    const unit = new WorkUnit(database);
    unit.waitUntil(context.breath.deadlineMs);
    try {
      const { session, txnNumber } = context;
      const record = session && txnNumber ? StatementRecord.load(unit, session.lsid, txnNumber) : undefined;
      const reply = await work({ unit, collection, record });
      await unit.flush();
      return reply;
    } catch (error) {
      if (!(error instanceof CatalogChanged) || attempt >= ATTEMPTS_MAX || unit.flushes > 1) throw error;
    } finally {
      unit.discard();
    }
  }
}

export interface WriteError {
  index: number;
  code: number;
  errmsg: string;
  [detail: string]: unknown;
}

export interface BulkResult {
  outcomes: Map<number, Doc>;
  writeErrors: WriteError[];
}

/** Statement by statement; `ordered` stops at the first error. A conflict is the whole command's error. */
export async function runStatements(
  context: CommandContext,
  scope: WriteScope,
  count: number,
  run: (statement: number) => Promise<Doc>,
): Promise<BulkResult> {
  const ordered = flag(context.body, "ordered", true);
  const result: BulkResult = { outcomes: new Map(), writeErrors: [] };
  for (let at = 0; at < count; at += 1) {
    try {
      const recorded = scope.record?.outcomeOf(at);
      const outcome = recorded ?? (await run(at));
      result.outcomes.set(at, outcome);
      if (!recorded) scope.record?.note(scope.unit, at, outcome);
    } catch (error) {
      if (context.transaction || !(error instanceof EngineError) || error.code === 112) throw error;
      result.writeErrors.push(writeErrorOf(at, error));
      if (ordered) break;
    }
    if (!context.transaction && scope.unit.isFull) await scope.unit.flush();
    if (context.breath.isSpent) await context.breath.rest();
  }
  return result;
}

function writeErrorOf(index: number, error: EngineError): WriteError {
  return { index, code: error.code, errmsg: error.message, ...error.details };
}
