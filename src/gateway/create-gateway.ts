/**
 * The gateway's face: puts its parts together. Before it: configuration and services, made by the
 * composition root. After it: the network. It refuses to be made while any field of the schema has
 * no permission rule.
 */
import type { ProbeExecutor } from "../audit/probe-executor.js";
import type { Telemetry } from "../kernel/telemetry.js";
import { buildGuardedSchema } from "../graphql/build-schema.js";
import { noTracing, type Tracing } from "../kernel/tracing.js";
import { OperationTraces } from "../graphql/trace-operations.js";
import { QueryCosts } from "../graphql/query-cost.js";
import type { RuleCoverage } from "../graphql/rule-coverage.js";
import type { Services } from "../graphql/services.js";
import { untimed, type RequestTimings } from "../insights/timed-request.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { TenantDirectory } from "../tenancy/tenant-directory.js";
import type { TierPolicies } from "../tenancy/tier-policy.js";
import { AdapterWeights } from "./adapter-weights.js";
import { makeApolloServer } from "./apollo-server.js";
import { ConsolePage } from "./console-page.js";
import { Cors } from "./cors.js";
import { DemoTokens, type DemoToken } from "./demo-tokens.js";
import { DocumentUploads } from "./document-uploads.js";
import { EventStreams } from "./event-stream.js";
import { GraphqlEndpoint } from "./graphql-endpoint.js";
import { Health, type MetricsSource } from "./health.js";
import { HttpServer } from "./http-server.js";
import { OfflineIde } from "./offline-ide.js";
import { ProbeDoor } from "./probe-door.js";
import { RequestOpener } from "./open-request.js";
import { OperationGate, type RequestAdmission } from "./operation-gate.js";
import { RequestLog } from "./request-log.js";
import { StreamedOperations } from "./streamed-operation.js";
import { TokenVerifier, type KeySource, type TokenRules } from "./token-verifier.js";
import { anyDocument, type DocumentSource } from "./trusted-documents.js";
import { WebSockets } from "./web-sockets.js";

export interface GatewayParts {
  readonly production: boolean;
  readonly corsOrigins: readonly string[];
  readonly tokens: TokenRules;
  readonly keys: KeySource;
  readonly services: Services;
  readonly admission: RequestAdmission;
  readonly directory: TenantDirectory;
  readonly policies: TierPolicies;
  readonly telemetry: Telemetry;
  readonly metrics: MetricsSource;
  /** Left out: nobody is told where requests spend their time. */
  readonly timings?: RequestTimings;
  /** Rejects while the server cannot serve. Asked by `/health/ready`. */
  readonly assertReady: () => Promise<void>;
  /** How long requests are still accepted once readiness fails, in ms. Left out: not at all. */
  readonly drainDelayMs?: number;
  /** Left out: every document may run. */
  readonly documents?: DocumentSource;
  /** A user's name in the log. Left out: users are not named. */
  readonly pseudonymOf?: (tenant: TenantContext) => Promise<string>;
  /** Left out: nothing is traced. */
  readonly tracing?: Tracing;
  /** Preloaded in Sandbox and in the offline page, in development. */
  readonly firstQuery?: string;
  /** Where the console was built; the folder may be empty. */
  readonly consoleFolder: string;
  /** Ready tokens for the console's sign-in. Never called in production. */
  readonly demoTokens?: () => Promise<readonly DemoToken[]>;
  /** The one deadline of a request. Tests shorten it. */
  readonly requestDeadlineMs?: number;
}

export interface Gateway {
  /** For the isolation audit of this process. */
  readonly probes: ProbeExecutor;
  /** What is to be printed at start. */
  readonly coverage: RuleCoverage;
  /** Rejects when the address is taken. Port 0 takes a free one. */
  listen(host: string, port: number): Promise<{ readonly url: string }>;
  /** Fails readiness at once and goes on serving: for what is closed before the drain. */
  leave(): void;
  /** Fails readiness, goes on for the delay, then ends running requests, at most 10 s long, and closes. */
  drain(): Promise<void>;
}

/** A person waits no longer, and every model call of the products in view fits. */
const requestDeadlineMsDefault = 30_000;

/** Throws `INTERNAL` when a field has no permission rule. */
export async function createGateway(parts: GatewayParts): Promise<Gateway> {
  const { production, services, telemetry, firstQuery, documents = anyDocument, tracing = noTracing } = parts;
  const requestDeadlineMs = parts.requestDeadlineMs ?? requestDeadlineMsDefault;
  const timings = parts.timings ?? untimed;
  const preloaded = production || firstQuery === undefined ? {} : { firstQuery };
  const { schema, coverage } = buildGuardedSchema();
  const gate = new OperationGate(new QueryCosts(schema), parts.admission, parts.telemetry, timings);
  const log = new RequestLog(telemetry, parts.pseudonymOf ?? (() => Promise.resolve("_")));
  const traces = new OperationTraces(tracing);
  traces.traceRootFields(schema);
  const verifier = new TokenVerifier(parts.tokens, parts.keys, telemetry);
  const opener = new RequestOpener(services, parts.directory, parts.policies, telemetry);
  const apollo = makeApolloServer({ schema, gate, traces, telemetry, production, ...preloaded });
  await apollo.start();
  const operations = new StreamedOperations({ schema, opener, gate, documents, traces, log, telemetry, timings, requestDeadlineMs });
  const server = new HttpServer({
    graphql: new GraphqlEndpoint({ apollo, verifier, opener, production, documents, requestDeadlineMs }),
    events: new EventStreams(operations, verifier, documents),
    uploads: new DocumentUploads({ verifier, opener, gate, telemetry, requestDeadlineMs }),
    adapters: new AdapterWeights({ verifier, opener, gate, requestDeadlineMs }),
    sockets: new WebSockets(operations, verifier, telemetry),
    streams: operations,
    timings,
    ide: new OfflineIde(preloaded.firstQuery),
    console: new ConsolePage(parts.consoleFolder),
    demoTokens: new DemoTokens(production ? undefined : parts.demoTokens),
    health: new Health(parts.assertReady, parts.metrics, verifier),
    cors: new Cors(parts.corsOrigins),
    telemetry,
    tracing,
    log,
    drainDelayMs: parts.drainDelayMs ?? 0,
  });
  return {
    probes: new ProbeDoor({ schema, opener, telemetry, requestDeadlineMs }),
    coverage,
    listen: (host, port) => server.listen(host, port),
    leave: () => server.leave(),
    async drain() {
      await server.drain();
      await apollo.stop();
    },
  };
}
