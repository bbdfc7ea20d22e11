/**
 * The layering as data. A file imports its own folder or a lower rank; folders of one rank never
 * import each other; each library has one home. `npm test` fails on anything else.
 */
export const ranks: Readonly<Record<string, number>> = {
  kernel: 0,
  observability: 1,
  tenancy: 1,
  storage: 2,
  routing: 3,
  retrieval: 3,
  quotas: 3,
  inference: 3,
  safety: 3,
  memory: 3,
  insights: 3,
  usage: 3,
  metering: 4,
  orchestrator: 5,
  provisioning: 5,
  audit: 5,
  graphql: 6,
  gateway: 7,
};

/** The composition root and what is beside it at the top of `src/`: they may import everything. */
export const roots: readonly string[] = ["app.ts", "main.ts", "config.ts", "config-variables.ts", "master-key.ts", "database.ts", "open-engine.ts", "server-id.ts", "closers.ts", "resume-work.ts", "demo-tenants.ts", "welcome.ts"];

/** Import nothing of ours: the engine, so that it could be published alone; the console, which runs in a browser and knows the server by its schema. */
export const islands: readonly string[] = ["embedded", "console"];

/** Libraries that only one folder may know, and why. */
export const homes: Readonly<Record<string, { folders: readonly string[]; why: string }>> = {
  mongodb: { folders: ["storage"], why: "a query made elsewhere would not pass the tenant's scope" },
  lmdb: { folders: ["embedded"], why: "the engine's files are the engine's" },
  "rate-limiter-flexible": { folders: ["quotas"], why: "its refusals are rejected promises that are no errors" },
  ioredis: { folders: ["quotas"], why: "one connection, one failure policy" },
  "type-graphql": { folders: ["graphql"], why: "the schema is translated, never decided on" },
  "graphql-shield": { folders: ["graphql"], why: "one place for permissions" },
  dataloader: { folders: ["graphql"], why: "loaders live for one request" },
  "@apollo/server": { folders: ["gateway"], why: "the transport" },
  jose: { folders: ["gateway"], why: "a token is verified once" },
  "@opentelemetry/api": { folders: ["observability"], why: "spans are begun through a port" },
  "@opentelemetry/sdk-trace-node": { folders: ["observability"], why: "one tracer, registered nowhere" },
  "@opentelemetry/exporter-trace-otlp-http": { folders: ["observability"], why: "one way out for spans" },
  pino: { folders: ["observability"], why: "one log" },
  "prom-client": { folders: ["observability"], why: "one registry" },
  marked: { folders: ["retrieval"], why: "an extractor" },
  htmlparser2: { folders: ["retrieval"], why: "an extractor" },
  unpdf: { folders: ["retrieval"], why: "an extractor" },
  "@energetic-ai/embeddings": { folders: ["retrieval"], why: "the embedding model runs in its worker" },
  "eventsource-parser": { folders: ["inference"], why: "model streams" },
  react: { folders: ["console"], why: "a front end" },
  "react-dom": { folders: ["console"], why: "a front end" },
  "@apollo/client": { folders: ["console"], why: "a front end" },
  rxjs: { folders: ["console"], why: "Apollo Client's streams" },
  vite: { folders: ["console"], why: "the bundler of a front end" },
};
