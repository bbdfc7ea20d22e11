/** What leaves the server otherwise than by an answer: its log, its alarms, its metrics, and what it sends to models. */
import { inspect } from "node:util";
import type { CompletionRequest } from "../inference/inference-backend.js";
import { isProbeTenant } from "../tenancy/probe-tenant.js";
import type { Canaries } from "./canaries.js";
import type { Evidence } from "./evidence.js";

export interface AuditTaps {
  /** Everything that is logged from now on, until what it returns is called. */
  logs(listener: (event: { readonly message: string; readonly fields: Readonly<Record<string, unknown>>; readonly alarm?: string }) => void): () => void;
  /** Everything that a model is asked from now on. */
  models(listener: (request: CompletionRequest) => void): () => void;
  metrics(): Promise<{ readonly text: string }>;
}

/** Raised by a wall that stopped what the walls before it let through. */
const wallAlarms: ReadonlySet<string> = new Set(["tenant_mismatch", "tenant_tag_mismatch"]);
const logDepthMax = 6;

export class Listening {
  readonly #ends: (() => void)[];
  /** Whose requests bear a tag or a salt, learned from the canary of the question. */
  readonly #owners = new Map<string, string>();

  constructor(private readonly taps: AuditTaps, private readonly canaries: Canaries, private readonly evidence: Evidence) {
    this.#ends = [taps.logs((event) => this.#log(event)), taps.models((request) => this.#model(request))];
  }

  end(): void {
    for (const end of this.#ends) end();
  }

  /** Labels hold no word of a tenant's, its users' names included. */
  async lookAtMetrics(): Promise<void> {
    const { text } = await this.taps.metrics();
    this.evidence.looked("metric labels", text.split("\n").length);
    for (const canary of this.canaries.madeIn(text)) this.evidence.leaked("metric labels", "GET /metrics", `The ${canary.surface} of ${canary.tenantId} is in the metrics`);
  }

  #log({ message, fields, alarm }: Parameters<Parameters<AuditTaps["logs"]>[0]>[0]): void {
    // Its own alarm tells of a leak and is none.
    if (alarm === "isolation_leak") return;
    this.evidence.looked("logs");
    if (alarm !== undefined && wallAlarms.has(alarm) && Object.values(fields).some((value) => typeof value === "string" && isProbeTenant(value))) {
      this.evidence.leaked("walls", alarm, `An inner wall alone stopped a row of another tenant: ${JSON.stringify(fields)}`);
    }
    for (const canary of this.canaries.madeIn(`${message} ${inspect(fields, { depth: logDepthMax, maxStringLength: null, maxArrayLength: null })}`)) {
      // Users may be named in a log, content may not.
      if (canary.surface !== "user") this.evidence.leaked("logs", message.slice(0, 80), `The ${canary.surface} of ${canary.tenantId} was logged`);
    }
  }

  #model({ question, history, passages, userTag, cacheSalt }: CompletionRequest): void {
    const given = JSON.stringify([history, passages]);
    const asker = this.#owners.get(userTag) ?? this.#learn(question, userTag, cacheSalt);
    if (asker !== undefined) this.evidence.looked("model requests");
    for (const canary of this.canaries.madeIn(given)) {
      if (canary.tenantId !== asker) this.evidence.leaked("model requests", "completion", `A model was given the ${canary.surface} of ${canary.tenantId} for ${asker ?? "a customer"}`);
    }
    if (cacheSalt !== undefined && asker !== undefined && this.#owners.get(cacheSalt) !== asker) this.evidence.leaked("model requests", "completion", "Two tenants send the same salt for the provider's cache");
  }

  /** A tenant's first question is its own: attacks come after everyone has asked. */
  #learn(question: string, userTag: string, cacheSalt: string | undefined): string | undefined {
    const asker = this.canaries.madeIn(question)[0]?.tenantId;
    if (asker === undefined) return undefined;
    this.#owners.set(userTag, asker);
    if (cacheSalt !== undefined && !this.#owners.has(cacheSalt)) this.#owners.set(cacheSalt, asker);
    return asker;
  }
}
