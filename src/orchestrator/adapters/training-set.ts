import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { TokenCounter } from "../../inference/token-counter.js";
import { internal, limitExceeded } from "../../kernel/errors.js";
import type { AdapterId } from "../../kernel/ids.js";
import type { Telemetry } from "../../kernel/telemetry.js";
import type { TenantStore } from "../../storage/tenant-store.js";
import type { TenantContext } from "../../tenancy/tenant-context.js";

/** What one tenant's adapter is trained on, and the proof of what that was. */
export interface TrainingSet {
  /** How many were read; those that say the same are one line. */
  readonly rows: number;
  /** SHA-256 of each line, in the order of the file. */
  readonly manifest: readonly string[];
  /** OpenAI's chat format, one example a line. */
  readonly jsonLines: string;
}

/** Fewer teach a model nothing; it is also the least that providers take. */
export const examplesMin = 10;
const examplesMax = 5_000;
/** Of questions and answers together: the file is made and sent in one piece. */
const charsMax = 16_000_000;

/** From the tenant's own store and nowhere else. Throws `INTERNAL` when a row of another tenant is among it. */
export async function readTrainingSet(context: TenantContext, store: TenantStore, telemetry: Telemetry, rowsMax = examplesMax): Promise<TrainingSet> {
  const lines = new Map<string, string>();
  const rows = await store.adapters.trainingRows(rowsMax, charsMax);
  for (const { tenantId, question, answer } of rows) {
    // The last look before a text leaves for a model: the store has compared the same, and what is trained cannot be taken back.
    if (tenantId !== context.tenantId) {
      telemetry.alarm("tenant_mismatch", { tenantId: context.tenantId, found: tenantId, where: "training set" });
      throw internal("A row of another tenant was among a tenant's training examples");
    }
    const line = JSON.stringify({ messages: [{ role: "user", content: question }, { role: "assistant", content: answer }] });
    lines.set(createHash("sha256").update(line).digest("hex"), line);
  }
  // By their hashes, so that the same examples make the same file, whatever order they were read in.
  const ordered = [...lines].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { rows: rows.length, manifest: ordered.map(([hash]) => hash), jsonLines: ordered.map(([, line]) => `${line}\n`).join("") };
}

/**
 * Reads no more than what decides: an admin may ask as often as they like, and the whole set is read in
 * the background. Throws `LIMIT_EXCEEDED` for too few examples that differ.
 */
export async function assertEnough(context: TenantContext, store: TenantStore, telemetry: Telemetry): Promise<void> {
  for (let rowsMax = examplesMin; ; rowsMax = Math.min(examplesMax, rowsMax * 4)) {
    const { manifest, rows } = await readTrainingSet(context, store, telemetry, rowsMax);
    // More rows help only where some said the same and there are more.
    if (manifest.length >= examplesMin || rows < rowsMax || rowsMax >= examplesMax) return checkEnough(manifest.length);
  }
}

/** Throws `LIMIT_EXCEEDED`. */
export function checkEnough(examples: number): void {
  if (examples < examplesMin) throw limitExceeded("examples", `${examples} good or corrected answers`, `at least ${examplesMin}`);
}

/** How often a training goes through the set: what providers take by themselves for sets of this size. */
export const epochs = 3;

/** Lines between two looks at whatever else this server has to do: counting all of them takes seconds. */
const linesAtOnce = 50;

/** The most that a training on the file can be billed, in tokens. The JSON around each message stands for what providers add to it. */
export async function boundTokens(jsonLines: string, counter: Pick<TokenCounter, "count">): Promise<number> {
  let tokens = 0;
  for (const [at, line] of jsonLines.split("\n").entries()) {
    tokens += counter.count(line);
    if (at % linesAtOnce === linesAtOnce - 1) await nextTurn();
  }
  return tokens * epochs;
}

/** Names the file at the provider: of this tenant, adapter and manifest alone, and telling nothing of them. */
export function trainingFileName(context: TenantContext, id: AdapterId, manifest: readonly string[]): string {
  return `bulkhead-${createHash("sha256").update(JSON.stringify([context.tenantId, id, manifest])).digest("hex")}.jsonl`;
}
