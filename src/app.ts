/**
 * The composition root: every part of the server is made here, once, in this order. Later parts are
 * given earlier ones; nothing is looked up.
 */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AuditWatch } from "./audit/audit-watch.js";
import { IsolationAudit } from "./audit/isolation-audit.js";
import { Closers } from "./closers.js";
import type { Config } from "./config.js";
import { openDatabase } from "./database.js";
import { onboardDemoTenants, readDemoTenants } from "./demo-tenants.js";
import { createGateway } from "./gateway/create-gateway.js";
import { loadOrCreateDevelopmentKey, signDevelopmentToken, type DevelopmentKey } from "./gateway/development-key.js";
import { TrustedDocuments } from "./gateway/trusted-documents.js";
import { describeCoverage } from "./graphql/rule-coverage.js";
import { extractiveModel } from "./inference/embedded-extractive.js";
import { AttributeLatency } from "./insights/attribute-latency.js";
import { RequestInsights, type InsightOptions } from "./insights/request-insights.js";
import { TenantHeatmap } from "./insights/tenant-heatmap.js";
import type { PoolGroup } from "./inference/inference-backend.js";
import { FineTuningClient } from "./inference/fine-tuning-client.js";
import { openInferencePool } from "./inference/open-inference-pool.js";
import { LazyTokenCounter } from "./inference/token-counter.js";
import { systemClock } from "./kernel/clock.js";
import { noTracing, type Tracing } from "./kernel/tracing.js";
import { badUserInput } from "./kernel/errors.js";
import { CacheKeeper } from "./memory/cache-keeper.js";
import { ConversationSweeper } from "./memory/conversation-sweeper.js";
import { SemanticCache } from "./memory/semantic-cache.js";
import { BatchTurns } from "./metering/batch-turns.js";
import { FairQueue, slotsDefault } from "./metering/fair-queue.js";
import { LeasedShare } from "./metering/leased-share.js";
import { MeteredDoor } from "./metering/metered.js";
import { WholeShare, type PoolShare } from "./metering/pool-share.js";
import { TracedDoor } from "./metering/traced-door.js";
import { TurnQueues } from "./metering/turn-queues.js";
import { OtlpTracing, type OtlpOptions } from "./observability/otlp-tracing.js";
import { ProcessTelemetry } from "./observability/telemetry.js";
import { AdapterFiles } from "./orchestrator/adapters/adapter-files.js";
import { AdapterTraining } from "./orchestrator/adapters/adapter-training.js";
import { TrainingBills } from "./orchestrator/adapters/training-bills.js";
import { AnswerOnce } from "./orchestrator/answer-once.js";
import { AnswerQuestion } from "./orchestrator/answer-question.js";
import { AnswerStreams } from "./orchestrator/answer-streams.js";
import { ConversationSummaries } from "./orchestrator/conversation-summaries.js";
import { IngestDocument } from "./orchestrator/ingest-document.js";
import { IngestionQueue } from "./orchestrator/ingestion-queue.js";
import { SearchDocuments } from "./orchestrator/search-documents.js";
import { SummariseConversation } from "./orchestrator/summarise-conversation.js";
import { SummarisedAnswers } from "./orchestrator/summarised-answers.js";
import { TenantEraser } from "./provisioning/erasing/tenant-eraser.js";
import { KeyRotations } from "./provisioning/key-rotations.js";
import { PlacementMover } from "./provisioning/placement-mover.js";
import { PlacementMoves } from "./provisioning/placement-moves.js";
import { TenantAdministration } from "./provisioning/tenant-administration.js";
import { TenantErasure } from "./provisioning/tenant-erasure.js";
import type { CounterStore } from "./quotas/counter-store.js";
import { openMemoryCounterStore } from "./quotas/memory-counter-store.js";
import { MemorySpendingStore } from "./quotas/memory-spending-store.js";
import { openMongoCounterStore } from "./quotas/mongo-counter-store.js";
import { openRedisCounterStore } from "./quotas/redis-counter-store.js";
import { TenantBudgets } from "./quotas/tenant-budgets.js";
import { tokensSince } from "./quotas/lost-counters.js";
import { TenantQuotas } from "./quotas/tenant-quotas.js";
import { EmbeddedEmbedder } from "./retrieval/embed/embedded-embedder.js";
import { OpenAiEmbedder } from "./retrieval/embed/openai-embedder.js";
import type { Embedder } from "./retrieval/embedder.js";
import { searchPassages } from "./retrieval/search-passages.js";
import { TracedRouter } from "./routing/traced-router.js";
import { readTrustMsMax, TenantRouter } from "./routing/tenant-router.js";
import { Guards } from "./safety/guards.js";
import { Deadline } from "./kernel/deadline.js";
import type { TenantId } from "./kernel/ids.js";
import type { LimiterStore } from "./storage/control/control-plane.js";
import { CachedTenantDirectory, directoryAgeMsMax } from "./tenancy/tenant-directory.js";
import { isProbeTenant } from "./tenancy/probe-tenant.js";
import { guardProblems, parseTierPolicies } from "./tenancy/tier-policy.js";
import { activeTenants, resumeTenant, resumeWork } from "./resume-work.js";
import { serverIdOf } from "./server-id.js";
import { PriceBook } from "./usage/price-book.js";
import { RerateUsage } from "./usage/rerate-usage.js";
import { ExportUsage } from "./usage/usage-export.js";
import { UsageProjector } from "./usage/usage-projector.js";
import { UsageRecorder } from "./usage/usage-recorder.js";
import { UsageReporter } from "./usage/usage-report.js";
import { UserPseudonyms } from "./usage/user-pseudonyms.js";
import { welcomeText } from "./welcome.js";

export interface App {
  readonly url: string;
  /** For a person who has just started it. */
  readonly welcome: string;
  /** Finishes what is under way, then closes everything. */
  close(): Promise<void>;
}

export interface AppOptions {
  /** Folder with `tiers.json`, `prices.json` and the demo tenants. */
  readonly tenantsFolder?: string;
  /** How long the old home is kept after a switch, in ms. */
  readonly retireAfterMs?: number;
  /** How long a switched move can be called back, in ms. */
  readonly observeMs?: number;
  /** The one deadline of a request, in ms. Tests shorten it. */
  readonly requestDeadlineMs?: number;
  /** Longest silence of a model, in ms. Tests shorten it. */
  readonly modelIdleMs?: number;
  /** The first pause between two looks at a training job, in ms. Tests shorten it. */
  readonly adapterPollMs?: number;
  /** Tests shorten periods, and look at every request. */
  readonly insights?: InsightOptions;
  /** Test switch of the embedded engine: how long a search index takes, in ms. */
  readonly searchIndexDelayMs?: number;
}

const repositoryTenants = fileURLToPath(new URL("../tenants", import.meta.url));

/** The same beside `src/` and beside the build. */
const consoleFolder = fileURLToPath(new URL("../dist/console", import.meta.url));

/** A development token is pasted today and forgotten tomorrow. */
const developmentTokenSeconds = 86_400;

/** A margin for the scheduling of a busy machine on top of what a read may trust. */
const retireMarginMs = 500;

/** For the scheduling of a busy machine, on top of how long a server remembers where a tenant lives. */
const announceMarginMs = 100;

/** The same on top of the age of a server's view of the directory, before an erasure goes on. */
const stopMarginMs = 200;

/** One batch of a tenant's expired conversations; the next round goes on where it ended. */
const sweepMsMax = 30_000;

/** A move that is called back ends within seconds; one to a cluster that is down does not, and an operator is told. */
const moveEndMsMax = 30_000;

/** Throws `BulkheadError`s that name what is wrong with the configuration, or the system's error. */
export async function startApp(config: Config, say: (line: string) => void, options: AppOptions = {}): Promise<App> {
  const closers = new Closers();
  try {
    return await compose(config, say, options, closers);
  } catch (error) {
    await closers.close();
    throw error;
  }
}

async function compose(config: Config, say: (line: string) => void, options: AppOptions, closers: Closers): Promise<App> {
  const telemetry = new ProcessTelemetry(config.logLevel);
  const tracing = config.tracing === undefined ? noTracing : openTracing(config.tracing, telemetry, closers);
  const folder = options.tenantsFolder ?? repositoryTenants;
  const readJson = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(folder, name), "utf8"));
  const policies = parseTierPolicies(await readJson("tiers.json"));
  for (const problem of guardProblems(policies)) telemetry.log("error", "A tier's guards are set wrongly: its tenants are not answered until this is right", { problem });
  const prices = PriceBook.parse(await readJson("prices.json"));

  // The embedding model loads in its worker while the database opens.
  const embedder = openEmbedder(config, telemetry);
  closers.add("embedder", () => embedder.close());

  const database = await openDatabase(config, embedder, telemetry, closers, { onProgress: say, ...(options.searchIndexDelayMs === undefined ? {} : { searchIndexDelayMs: options.searchIndexDelayMs }) });
  const { control, homes, silos } = database;
  const directory = new CachedTenantDirectory(control.directory);
  const router = tracing.isOn ? new TracedRouter(directory, homes, tracing) : new TenantRouter(directory, homes);

  const pseudonyms = new UserPseudonyms(control.vault);
  const ledgerOf = control.ledgerOf.bind(control);
  const counters = await openCounters(config, control.limiterStore, telemetry);
  closers.add("counters", () => counters.close());
  const projector = new UsageProjector(control.rollups, telemetry);
  closers.add("usage projector", () => projector.close());
  const quotas = new TenantQuotas(counters, telemetry, systemClock, (context, from) => tokensSince(ledgerOf(context), from));
  const recorder = new UsageRecorder(ledgerOf, prices, pseudonyms, telemetry);
  // One server alone keeps figures in memory, where a reservation waits for no disk, and has them from the ledger at its start.
  const budgets = new TenantBudgets(config.mongodb.uri === undefined ? new MemorySpendingStore(control.spending) : control.spending, ledgerOf, telemetry);
  closers.add("budgets", () => budgets.close());
  const counter = new LazyTokenCounter();
  const modelTimeouts = options.modelIdleMs === undefined ? {} : { firstByteMs: options.modelIdleMs, idleMs: options.modelIdleMs };
  const pool = openInferencePool({ file: await readModels(join(folder, "models.json")), ...(config.model === undefined ? {} : { model: config.model }), keys: config.modelKeys, ...(config.fineTuning === undefined ? {} : { trainerUrl: config.fineTuning.baseUrl }), timeouts: modelTimeouts, ...(tracing.isOn ? { traceHeaders: () => tracing.headers() } : {}) }, counter, telemetry);
  closers.add("model connections", async () => pool.close());
  // Several servers share what a provider allows; what runs in this process is this server's own.
  const shareOf = (group: PoolGroup): PoolShare => {
    if (config.mongodb.uri === undefined || group.name === extractiveModel) return new WholeShare(group.slots, group);
    const share = new LeasedShare(group, control.poolShares, telemetry);
    closers.add(`share of ${group.name}`, () => share.close());
    return share;
  };
  const embeddings = new FairQueue({ slots: slotsDefault });
  const queues = new TurnQueues(embeddings, new Map(pool.groups.map((group) => [group.name, new FairQueue(group, shareOf(group))])), (model) => pool.groupOf(model));
  const insights = new RequestInsights(control.timings, telemetry, options.insights);
  closers.add("insights", () => insights.close());
  const metered = new MeteredDoor(quotas, budgets, queues, recorder, telemetry, insights);
  const door = tracing.isOn ? new TracedDoor(metered, tracing) : metered;
  const shared = { door, router, embedder, counter, search: searchPassages };
  const cache = new SemanticCache(systemClock);
  const cacheKeeper = new CacheKeeper(cache, directory, telemetry);
  closers.add("answer cache", () => cacheKeeper.close());
  const sweeper = new ConversationSweeper({ tenants: () => activeTenants(control.directory), router, policies, deadline: () => Deadline.after(sweepMsMax), telemetry });
  closers.add("conversation sweeper", () => sweeper.close());
  const guards = new Guards(telemetry);
  const asking = { ...shared, pool, guards, pseudonyms, telemetry, cache };
  const summaries = new ConversationSummaries(new SummariseConversation(asking), telemetry);
  closers.add("conversation summaries", () => summaries.close());
  const answers = new SummarisedAnswers(new AnswerOnce(new AnswerQuestion(asking), router, telemetry), summaries);
  const answerStreams = new AnswerStreams(answers, directory, telemetry);
  const search = new SearchDocuments(shared);
  const ingestion = new IngestionQueue({ router, embedder, door, counter, telemetry, tracing, directory, policies });
  closers.add("ingestion", () => ingestion.close());
  const ingest = new IngestDocument({ router, queue: ingestion });

  const adapters = new AdapterTraining({
    router, directory, policies, pool, telemetry, counter, bills: new TrainingBills(budgets, recorder), owner: await serverIdOf(config.dataDir),
    ...(config.fineTuning === undefined ? {} : { client: new FineTuningClient(config.fineTuning) }),
    ...(options.adapterPollMs === undefined ? {} : { pollMsMin: options.adapterPollMs }),
  });
  closers.add("adapters", () => adapters.close());

  const auditTurns = new BatchTurns(embeddings, undefined, "AUDIT");
  const audits: IsolationAudit = new IsolationAudit({
    reports: control.isolationReports, telemetry, owner: `audit-${randomUUID()}`,
    directory: { create: (tenant) => administration.create(tenant), find: (id) => administration.find(id), sendHome: (id) => administration.sendHome(id), latestMove: (id) => administration.latestMove(id) },
    taps: { logs: (listener) => telemetry.tap(listener), models: (listener) => pool.tap(listener), metrics: () => telemetry.metrics() },
    inTurn: (tenantId, signal, work) => auditTurns.run(tenantId, signal, work),
    onFinished: () => void watch.look(),
  });
  const watch = new AuditWatch({ reports: control.isolationReports, begin: (trigger) => audits.begin(trigger), telemetry }, { intervalMs: config.auditIntervalMs, onLeak: config.auditLeakPolicy });

  const retireAfterMs = options.retireAfterMs ?? directoryAgeMsMax + readTrustMsMax + retireMarginMs;
  const mover = new PlacementMover({ control, directory, homes, silos, policies, announceMs: directoryAgeMsMax + announceMarginMs, observeMs: options.observeMs ?? config.moveObserveMs, retireAfterMs, turns: new BatchTurns(embeddings), onMoved: (tenantId) => void (isProbeTenant(tenantId) || watch.afterMove()) }, telemetry);
  closers.add("mover", () => mover.close());
  const administration = new TenantAdministration({ control, directory, homes, silos, policies, onMoveBegun: () => mover.kick(), onReactivated: (record) => resumeTenant({ policies, ingestion, adapters, router, embedding: embedder, telemetry }, record) });
  const moves = new PlacementMoves({ control, directory, onMoveRequested: () => mover.kick() });
  const embedding = { model: embedder.model, dimensions: embedder.dimensions };
  const stoppedAfterMs = directoryAgeMsMax + stopMarginMs;
  const eraser = new TenantEraser({ control, directory, homes, policies, silos, counters: forgettingAll(quotas, budgets, cache, insights), adapters, embedding, stoppedAfterMs, moveEndMsMax, onMoveRequested: () => mover.kick() }, telemetry);
  closers.add("eraser", () => eraser.close());
  const erasure = new TenantErasure({ control, directory, onErasureBegun: () => eraser.kick() });
  const heatmaps = new TenantHeatmap(control.timings, control.usageByHour, directory, policies, systemClock, options.insights?.fineMs);
  const latency = new AttributeLatency(control.timings, directory, systemClock, options.insights?.fineMs);
  const keys = new KeyRotations({ control, homes, policies, telemetry });

  const key = config.jwt.jwksUri === undefined ? await loadOrCreateDevelopmentKey(config.dataDir) : undefined;
  const gateway = await createGateway({
    services: { stores: router, ingestion: ingest, ingestionProgress: ingestion, adapters, adapterFiles: new AdapterFiles(router), answers, answerStreams, search, quotas, budgets, usage: new UsageReporter(ledgerOf, pseudonyms), usageExports: new ExportUsage(control.usageRowsOf.bind(control), pseudonyms), rerating: new RerateUsage(control.corrections, prices, (tenantId) => budgets.recount(tenantId)), tenants: administration, moves, erasure, heatmaps, latency, keys, audits, alarms: telemetry },
    admission: quotas,
    directory,
    policies,
    telemetry,
    production: config.production,
    corsOrigins: config.corsOrigins,
    tokens: config.jwt,
    keys: key === undefined ? { kind: "JWKS", uri: config.jwt.jwksUri ?? "" } : { kind: "DEVELOPMENT", publicJwk: key.publicJwk },
    metrics: telemetry,
    timings: insights,
    assertReady: async () => {
      watch.assertClean();
      await control.ping(readyMsMax);
    },
    firstQuery: firstQuery,
    consoleFolder,
    ...(key === undefined || config.production ? {} : { demoTokens: async () => developmentTokens(config, key, await readDemoTenants(folder), ["admin", "member"]) }),
    tracing,
    pseudonymOf: (tenant) => pseudonyms.inLedger(tenant),
    drainDelayMs: config.drainDelayMs,
    ...(config.trustedDocuments.length === 0 ? {} : { documents: await TrustedDocuments.read(config.trustedDocuments) }),
    ...(options.requestDeadlineMs === undefined ? {} : { requestDeadlineMs: options.requestDeadlineMs }),
  });
  const { url } = await gateway.listen(config.host, config.port);
  // Last in, first out: the drain comes before anything that a request in flight still needs is closed.
  closers.add("gateway", () => gateway.drain());
  audits.start(gateway.probes);
  // Before the drain, or an audit would go on against a server that refuses it.
  closers.add("isolation audit", () => audits.close());
  await watch.start();
  closers.add("audit watch", () => watch.close());
  // The first to be closed: a balancer must not send requests here while the audit ends.
  closers.add("readiness", async () => gateway.leave());
  mover.start();
  eraser.start();
  projector.start();
  insights.start();
  cacheKeeper.start();
  sweeper.start();

  if (!config.production) {
    await onboardDemoTenants({ folder, administration, directory, policies, router, ingest, ingestion, markers: control.markers, onProgress: say });
  }
  resumeWork({ control, administration, policies, ingestion, adapters, router, embedding: embedder, telemetry });
  const text = await welcome(config, folder, url, describeCoverage(gateway.coverage), key);
  // The tokenizer takes half a second to load: better now than within the first question, and after a person can read.
  setImmediate(() => counter.load().catch((error: unknown) => telemetry.log("error", "The tokenizer cannot be loaded", { error: String(error) })));
  return { url, welcome: text, close: () => closers.close() };
}

/** A folder without the file has what the server runs itself, and what the environment names. */
async function readModels(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { models: [{ name: extractiveModel, kind: "EMBEDDED", contextTokens: 8_000 }] };
    throw badUserInput("models.json", error instanceof SyntaxError ? error.message : String(error), "a readable JSON file");
  }
}

function forgettingAll(quotas: TenantQuotas, budgets: TenantBudgets, cache: SemanticCache, insights: RequestInsights): { forget(tenantId: TenantId): Promise<number> } {
  return {
    forget: async (tenantId) => {
      cache.forget(tenantId);
      insights.forget(tenantId);
      return (await quotas.forget(tenantId)) + (await budgets.forget(tenantId));
    },
  };
}

/** The last to be closed: what the others do while they close is traced as well. */
function openTracing(options: OtlpOptions, telemetry: ProcessTelemetry, closers: Closers): Tracing {
  const tracing = new OtlpTracing(options, telemetry);
  closers.add("tracing", () => tracing.close());
  return tracing;
}

function openEmbedder(config: Config, telemetry: ProcessTelemetry): Embedder {
  return config.embedding === undefined ? new EmbeddedEmbedder(telemetry) : new OpenAiEmbedder(config.embedding);
}

/** Shared between servers where there may be several: through Redis if given, else through the database if it is not our own. */
function openCounters(config: Config, shared: LimiterStore, telemetry: ProcessTelemetry): Promise<CounterStore> {
  if (config.redisUrl !== undefined) return openRedisCounterStore(config.redisUrl, telemetry);
  return config.mongodb.uri === undefined ? Promise.resolve(openMemoryCounterStore()) : openMongoCounterStore(shared);
}

/** A load balancer asks every few seconds and must not wait for a database that hangs. */
const readyMsMax = 1_000;

const firstQuestion = "How many days of annual leave does a full-time employee have?";

/** Preloaded in Sandbox and in the offline page. */
const firstQuery = `mutation FirstQuestion {
  ask(input: { question: ${JSON.stringify(firstQuestion)} }) {
    ... on Answer {
      text
      citations { document { title } snippet score }
      usage { promptTokens completionTokens costMicroUsd }
      latency { totalMs stages { name ms } }
    }
    ... on Refusal { code message retryAfterMs }
  }
}
`;

async function welcome(config: Config, folder: string, url: string, coverage: string, key: DevelopmentKey | undefined): Promise<string> {
  const demo = config.production || key === undefined ? [] : await readDemoTenants(folder);
  const tokens = key === undefined ? [] : await developmentTokens(config, key, demo, ["admin"]);
  const pooled = demo.find((tenant) => tenant.tier !== "ENTERPRISE");
  return welcomeText({
    url,
    embeddedEngine: config.mongodb.uri === undefined,
    coverage,
    tokens,
    question: firstQuestion,
    upgrade: pooled === undefined ? undefined : { tenantId: pooled.id, tier: "ENTERPRISE" },
  });
}

async function developmentTokens(config: Config, key: DevelopmentKey, demo: Awaited<ReturnType<typeof readDemoTenants>>, as: readonly ("admin" | "member")[]): Promise<{ who: string; token: string }[]> {
  const { issuer, audience, operatorAudience } = config.jwt;
  const ofTenants = demo.flatMap((tenant) => as.map(async (role) => ({
    who: `${tenant.name} (${tenant.id}, ${tenant.tier}, ${role})`,
    token: await signDevelopmentToken(key, { issuer, audience, ttlSeconds: developmentTokenSeconds, userId: `${role}@${tenant.id}.example`, subject: { kind: "TENANT", tenantId: tenant.id, roles: role === "admin" ? ["admin", "member"] : ["member"], tier: tenant.tier } }),
  })));
  const ofOperator = signDevelopmentToken(key, { issuer, audience: operatorAudience, ttlSeconds: developmentTokenSeconds, userId: "operator@bulkhead.local", subject: { kind: "OPERATOR" } });
  return [...(await Promise.all(ofTenants)), { who: "Operator of the platform", token: await ofOperator }];
}
