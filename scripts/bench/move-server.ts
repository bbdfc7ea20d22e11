/** One server's part of `move.bench.ts`: writes and searches a tenant through its router, and drives its moves. */
import { setTimeout as sleep } from "node:timers/promises";
import { readFile } from "node:fs/promises";
import { Closers } from "../../src/closers.js";
import { parseConfig } from "../../src/config.js";
import { openDatabase } from "../../src/database.js";
import { Deadline } from "../../src/kernel/deadline.js";
import { newId, parseTenantId, type ChunkId, type DocumentId, type RequestId } from "../../src/kernel/ids.js";
import { silentTelemetry, type Telemetry } from "../../src/kernel/telemetry.js";
import { PlacementMover } from "../../src/provisioning/placement-mover.js";
import { TenantAdministration } from "../../src/provisioning/tenant-administration.js";
import { TenantRouter } from "../../src/routing/tenant-router.js";
import type { NewChunk } from "../../src/storage/tenant-store.js";
import { openJobContext, type TenantContext } from "../../src/tenancy/tenant-context.js";
import { CachedTenantDirectory, directoryAgeMsMax } from "../../src/tenancy/tenant-directory.js";
import { parseTierPolicies, type Tier } from "../../src/tenancy/tier-policy.js";
import type { MoveAnswer, MoveQuestion, WriteAnswer } from "./move-messages.js";

const [uri = "", dataDir = ""] = process.argv.slice(2);
const embedding = { model: "bench", dimensions: 384 };
const wordsOfChunk = 120;
const chunksOfDocument = 20;
const requestMs = 20_000;

const policies = parseTierPolicies(JSON.parse(await readFile(new URL("../../tenants/tiers.json", import.meta.url), "utf8")));
const closers = new Closers();
const config = parseConfig({ MONGODB_URI: uri, DATA_DIR: dataDir });
/** What goes wrong in a move shall be read, not guessed. */
const telemetry: Telemetry = {
  ...silentTelemetry,
  log: (level, message, fields) => void (level === "warn" || level === "error" ? process.stderr.write(`${message} ${JSON.stringify(fields ?? {})}\n`) : undefined),
  alarm: (name, fields) => void process.stderr.write(`${name} ${JSON.stringify(fields)}\n`),
};
const { control, homes, silos } = await openDatabase(config, embedding, telemetry, closers, { onProgress: () => {} });
const directory = new CachedTenantDirectory(control.directory);
const router = new TenantRouter(directory, homes);
const administration = new TenantAdministration({ control, directory, homes, silos, policies, onMoveBegun: () => {}, onReactivated: () => {} });

const work: { readonly [Kind in MoveQuestion["do"]]: (question: Extract<MoveQuestion, { do: Kind }>) => Promise<object> } = {
  fill: async ({ tenant, documents }) => {
    await administration.create({ id: tenant, name: tenant, tier: "PRO" });
    for (let n = 0; n < documents; n += 1) await ingest(await contextOf(tenant));
    return {};
  },
  move: ({ tenant, tier }) => move(tenant, tier),
  write: ({ tenant, perSecond }) => write(tenant, perSecond),
  stop: async () => {
    stopping?.abort();
    return (await writing) ?? {};
  },
};

let stopping: AbortController | undefined;
let writing: Promise<WriteAnswer> | undefined;

process.on("message", (question: MoveQuestion) => {
  const answer = work[question.do] as (question: MoveQuestion) => Promise<object>;
  answer(question).then(
    (told) => process.send?.(told),
    (error: unknown) => {
      process.stderr.write(`${String(error instanceof Error ? error.stack : error)}\n`);
      process.exit(1);
    },
  );
});
process.send?.("ready");

async function move(tenant: string, tier: Tier): Promise<MoveAnswer> {
  const times = new Map<string, number>();
  const at = async (point: string): Promise<void> => void times.set(point, performance.now());
  const mover = new PlacementMover({ control, directory, homes, silos, policies, announceMs: directoryAgeMsMax + 100, observeMs: 0, retireAfterMs: 600, at }, telemetry);
  const startedAt = performance.now();
  const { move: begun } = await administration.changeTier(tenant, tier);
  if (begun === undefined) throw new Error("No move was begun");
  await mover.drive(begun.id);
  const ended = await control.moves.find(begun.id);
  if (ended?.phase !== "DONE") throw new Error(`The move ended as ${ended?.phase}: ${ended?.failure}`);
  const between = (from: string, to: string): number => (times.get(to) ?? Number.NaN) - (times.get(from) ?? Number.NaN);
  return { rows: ended.total, copyMs: between("COPYING before", "COPYING after"), verifyMs: between("VERIFYING before", "VERIFYING after"), switchedMs: (times.get("SWITCHING settled") ?? Number.NaN) - startedAt, pauseMs: ended.pauseMs ?? Number.NaN };
}

/** Starts conversations at a steady rate, one after another's due time, not after its answer; a search beside each. */
async function write(tenant: string, perSecond: number): Promise<object> {
  stopping = new AbortController();
  const { signal } = stopping;
  const context = await contextOf(tenant);
  writing = (async (): Promise<WriteAnswer> => {
    const writesMs: number[] = [];
    const searchesMs: number[] = [];
    const under: Promise<unknown>[] = [];
    let failed = 0;
    const timed = (times: number[], what: () => Promise<unknown>): void => {
      const beganAt = performance.now();
      under.push(what().then(() => times.push(performance.now() - beganAt), () => (failed += 1)));
    };
    const startedAt = performance.now();
    for (let n = 0; !signal.aborted; n += 1) {
      const due = startedAt + (n * 1_000) / perSecond;
      await sleep(Math.max(0, due - performance.now()));
      timed(writesMs, () => withDeadline((deadline) => router.write(context, deadline, (store) => store.conversationsOf(context.userId).start("A conversation"))));
      timed(searchesMs, () => withDeadline((deadline) => router.read(context, deadline, (store) => store.chunks.nearest(randomVector(), 10, {}))));
    }
    await Promise.all(under);
    return { writesMs, searchesMs, failed };
  })();
  return {};
}

async function withDeadline<T>(what: (deadline: Deadline) => Promise<T>): Promise<T> {
  const deadline = Deadline.after(requestMs);
  try {
    return await what(deadline);
  } finally {
    deadline.dispose();
  }
}

async function contextOf(tenant: string): Promise<TenantContext> {
  const record = await control.directory.find(parseTenantId(tenant));
  if (record === undefined) throw new Error(`No tenant ${tenant}`);
  return openJobContext(record, policies, newId<RequestId>("request"));
}

async function ingest(context: TenantContext): Promise<void> {
  const id = newId<DocumentId>("document");
  const chunks = Array.from({ length: chunksOfDocument }, (_, ordinal) => chunk(ordinal));
  const text = chunks.map((one) => one.text).join("\n\n");
  await withDeadline(async (deadline) => {
    await router.write(context, deadline, (store) => store.documents.add({ id, title: "Bench", mediaType: "text/plain", tags: [], raw: Buffer.from(text) }, policies.ENTERPRISE));
    await router.write(context, deadline, (store) => store.documents.publish(id, chunks, embedding, policies.ENTERPRISE));
  });
}

function chunk(ordinal: number): NewChunk {
  // Words as frequent as in a language (Zipf's law), so that terms repeat between chunks as they do there.
  const words = Array.from({ length: wordsOfChunk }, () => `w${Math.floor(Math.exp(Math.random() * Math.log(5_000)))}`);
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return { id: newId<ChunkId>("chunk"), ordinal, text: words.join(" "), headings: ["Chapter"], vector: randomVector(), terms: [...counts.keys()], termCounts: [...counts.values()], length: words.length };
}

function randomVector(): Float32Array {
  return Float32Array.from({ length: embedding.dimensions }, () => Math.random() - 0.5);
}
