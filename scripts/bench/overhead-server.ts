/** One of the systems of `overhead.bench.ts`, in a process of its own. Tells its CPU time when asked. */
import { ApolloServer } from "@apollo/server";
import { ApolloServerPluginCacheControlDisabled } from "@apollo/server/plugin/disabled";
import { startStandaloneServer } from "@apollo/server/standalone";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { readFileSync } from "node:fs";
import { createGateway } from "../../src/gateway/create-gateway.js";
import { ProcessTelemetry } from "../../src/observability/telemetry.js";
import { openMemoryCounterStore } from "../../src/quotas/memory-counter-store.js";
import { TenantQuotas } from "../../src/quotas/tenant-quotas.js";
import type { DocumentRow } from "../../src/storage/tenant-store.js";
import { parseTierPolicies, type TierPolicy } from "../../src/tenancy/tier-policy.js";
import { documentRow, FakeServices } from "../../test/support/fake-services.js";

const system = process.argv[2];
const rows = Array.from({ length: 20 }, (_, index) => documentRow("acme", `Document ${index}`));

const ready = system === "bulkhead" ? await startBulkhead() : await startApollo(system === "apollo default");
process.on("message", () => process.send?.(process.cpuUsage()));
process.send?.(ready);

async function startBulkhead(): Promise<{ url: string; token: string }> {
  const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
  const services = new FakeServices();
  services.addTenant("acme");
  services.documents.push(...rows);
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
    services: { ...servicesOf(services), quotas },
    admission: quotas,
    directory: { find: (id) => Promise.resolve(services.records.get(id)) },
    policies,
    telemetry,
    metrics: telemetry,
    assertReady: () => Promise.resolve(),
  });
  const { url } = await gateway.listen("127.0.0.1", 0);
  const token = await new SignJWT({ tenant_id: "acme", roles: ["member"], tier: "PRO" })
    .setProtectedHeader({ alg: "RS256", kid: "k", typ: "JWT" })
    .setIssuer(tokens.issuer).setAudience(tokens.audience).setSubject("anna").setIssuedAt().setExpirationTime("1h").setJti("1").sign(privateKey);
  return { url: `${url}/graphql`, token };
}

function servicesOf(fake: FakeServices): FakeServices {
  return Object.assign(Object.create(Object.getPrototypeOf(fake) as object) as FakeServices, fake);
}

const typeDefs = `
  type Query { documents(first: Int, after: String): DocumentConnection }
  type DocumentConnection { edges: [DocumentEdge!]! nodes: [Document!]! pageInfo: PageInfo! }
  type DocumentEdge { cursor: String! node: Document! }
  type PageInfo { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
  type Document { id: ID! title: String! mediaType: String! tags: [String!]! state: String! bytes: Float! chunkCount: Int! version: Int! createdAt: String! updatedAt: String! }
`;

async function startApollo(isDefault: boolean): Promise<{ url: string; token: string }> {
  const resolvers = {
    Query: {
      documents: async (_parent: unknown, { first }: { first: number }) => {
        const nodes = rows.slice(0, first);
        const edges = nodes.map((node) => ({ cursor: node.id, node }));
        return { edges, nodes, pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: edges[0]?.cursor, endCursor: edges.at(-1)?.cursor } };
      },
    },
    Document: { createdAt: (row: DocumentRow) => row.createdAt.toISOString(), updatedAt: (row: DocumentRow) => row.updatedAt.toISOString() },
  };
  const server = new ApolloServer({ typeDefs, resolvers, ...(isDefault ? {} : { plugins: [ApolloServerPluginCacheControlDisabled()] }) });
  const { url } = await startStandaloneServer(server, { listen: { host: "127.0.0.1", port: 0 } });
  return { url, token: "none" };
}
