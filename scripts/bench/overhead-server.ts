/** One of the systems of `overhead.bench.ts`, in a process of its own. Tells its CPU time when asked. */
import { ApolloServer, type ApolloServerPlugin } from "@apollo/server";
import { ApolloServerPluginCacheControlDisabled } from "@apollo/server/plugin/disabled";
import { startStandaloneServer } from "@apollo/server/standalone";
import { GraphQLScalarType } from "graphql";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { readFileSync } from "node:fs";
import { parsePageRequest, toConnection, type PageArgs } from "../../src/graphql/connection.js";
import { mediaTypeEnum } from "../../src/graphql/enums.js";
import type { Services } from "../../src/graphql/services.js";
import { Deadline } from "../../src/kernel/deadline.js";
import { newId, parseTenantId, parseUserId, type DocumentId, type RequestId } from "../../src/kernel/ids.js";
import { createGateway } from "../../src/gateway/create-gateway.js";
import { ProcessTelemetry } from "../../src/observability/telemetry.js";
import { openMemoryCounterStore } from "../../src/quotas/memory-counter-store.js";
import { TenantQuotas } from "../../src/quotas/tenant-quotas.js";
import { parseDocumentFilter } from "../../src/storage/narrowing-filter.js";
import { openTenantContext } from "../../src/tenancy/tenant-context.js";
import { parseTierPolicies, type TierPolicy } from "../../src/tenancy/tier-policy.js";
import { documentRow, FakeServices, testPolicies } from "../../test/support/fake-services.js";

const tenant = "acme";
const rows = Array.from({ length: 20 }, (_, index) => ({ ...documentRow(tenant, `Document ${index}`), id: `doc_${String(index).padStart(20, "0")}` as DocumentId }));

/** The peers' schema: what our query reads, with scalars as simple as they can be, so that all answer the same bytes. */
const typeDefs = `
  scalar DateTime
  scalar SafeInt
  enum MediaType { TEXT MARKDOWN HTML PDF }
  enum DocumentState { PENDING INDEXING READY FAILED }
  type Query { documents(first: Int, after: String): DocumentConnection }
  type DocumentConnection { edges: [DocumentEdge!]! nodes: [Document!]! pageInfo: PageInfo! }
  type DocumentEdge { cursor: String! node: Document! }
  type PageInfo { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
  type Document { id: ID! title: String! mediaType: MediaType! tags: [String!]! state: DocumentState! bytes: SafeInt! chunkCount: Int! version: Int! createdAt: DateTime! updatedAt: DateTime! }
`;

const starts: Readonly<Record<string, () => Promise<{ url: string; token: string }>>> = {
  "bulkhead": startBulkhead,
  "apollo default": () => startApollo([]),
  "apollo without cache control": () => startApollo([ApolloServerPluginCacheControlDisabled()]),
};

const start = starts[process.argv[2] ?? ""];
if (start === undefined) throw new Error(`Got the system ${process.argv[2]}, expected one of ${Object.keys(starts).join(", ")}`);
const ready = await start();
// Gone with its parent, however that ended: a server left behind would take CPU from the next run.
process.on("disconnect", () => process.exit());
process.on("message", () => process.send?.(process.cpuUsage()));
process.send?.(ready);

function makeServices(): FakeServices {
  const services = new FakeServices();
  services.addTenant(tenant);
  services.documents.push(...rows);
  return services;
}

async function startBulkhead(): Promise<{ url: string; token: string }> {
  const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
  const services = makeServices();
  // Logs as in production, to a sink, since the peers do not log at all.
  const telemetry = new ProcessTelemetry("info", { write() {} });
  const quotas = new TenantQuotas(openMemoryCounterStore(), telemetry);
  const parsed = parseTierPolicies(JSON.parse(readFileSync(new URL("../../tenants/tiers.json", import.meta.url), "utf8")));
  // The limit is counted and never reached, or the bench would measure refusals.
  const policies = { ...parsed, PRO: { ...parsed.PRO, requestsPerMinute: 1_000_000_000 } satisfies TierPolicy };
  const tokens = { issuer: "https://issuer.example", audience: "bulkhead", operatorAudience: "bulkhead-operator" };
  const gateway = await createGateway({
    production: true,
    corsOrigins: [],
    tokens,
    keys: { kind: "DEVELOPMENT", publicJwk: { ...(await exportJWK(publicKey)), kid: "k", alg: "RS256" } },
    services: withQuotas(services, quotas),
    admission: quotas,
    directory: { find: (id) => Promise.resolve(services.records.get(id)) },
    policies,
    telemetry,
    metrics: telemetry,
    assertReady: () => Promise.resolve(),
    consoleFolder: "dist/console",
  });
  const { url } = await gateway.listen("127.0.0.1", 0);
  const token = await new SignJWT({ tenant_id: "acme", roles: ["member"], tier: "PRO" })
    .setProtectedHeader({ alg: "RS256", kid: "k", typ: "JWT" })
    .setIssuer(tokens.issuer).setAudience(tokens.audience).setSubject("anna").setIssuedAt().setExpirationTime("1h").setJti("1").sign(privateKey);
  return { url: `${url}/graphql`, token };
}

/** Our quotas in the place of the fake ones. */
function withQuotas(fake: FakeServices, quotas: TenantQuotas): Services {
  return { stores: fake.stores, ingestion: fake.ingestion, ingestionProgress: fake.ingestionProgress, adapters: fake.adapters, adapterFiles: fake.adapterFiles, answers: fake.answers, answerStreams: fake.answerStreams, search: fake.search, budgets: fake.budgets, usage: fake.usage, usageExports: fake.usageExports, rerating: fake.rerating, tenants: fake.tenants, moves: fake.moves, erasure: fake.erasure, keys: fake.keys, heatmaps: fake.heatmaps, latency: fake.latency, audits: fake.audits, alarms: fake.alarms, quotas };
}

/** The resolver is ours without what it is measured with: the same store in memory, asked the same way. */
async function startApollo(plugins: ApolloServerPlugin[]): Promise<{ url: string; token: string }> {
  const { stores, records } = makeServices();
  const record = records.get(parseTenantId(tenant));
  const caller = { kind: "TENANT", tenantId: parseTenantId(tenant), userId: parseUserId("anna"), roles: ["member"], expiresAt: Infinity } as const;
  const context = openTenantContext(caller, record, testPolicies, newId<RequestId>("request"));
  const deadline = Deadline.after(2 ** 31 - 1);
  const resolvers = {
    DateTime: new GraphQLScalarType({ name: "DateTime", serialize: (value) => (value as Date).toISOString() }),
    SafeInt: new GraphQLScalarType({ name: "SafeInt", serialize: Number }),
    MediaType: mediaTypeEnum,
    Query: {
      documents: async (_parent: unknown, args: PageArgs) => {
        const request = parsePageRequest(args);
        return toConnection(await stores.read(context, deadline, (store) => store.documents.page(request, parseDocumentFilter(undefined))), request);
      },
    },
  };
  const server = new ApolloServer({ typeDefs, resolvers, plugins });
  const { url } = await startStandaloneServer(server, { listen: { host: "127.0.0.1", port: 0 } });
  return { url, token: "none" };
}
