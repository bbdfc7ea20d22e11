import type { StageTimes } from "../kernel/stage-clock.js";
import type { Telemetry, TelemetryFields } from "../kernel/telemetry.js";
import type { RequestContext } from "../graphql/request-context.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import { placementName } from "../tenancy/tenant-record.js";

export interface EndedRequest {
  readonly requestId: string;
  readonly transport: "HTTP" | "SSE" | "WEBSOCKET";
  /** The tenant, or `operator`, also of one who was not let in. */
  readonly caller?: string;
  /** Of one who was let in. */
  readonly context?: RequestContext;
  readonly times: StageTimes;
  readonly wallMs: number;
  readonly http: TelemetryFields;
}

/** One line a request, wide enough to answer most questions by itself. Users by the ledger's pseudonym, and no text of theirs. */
export class RequestLog {
  constructor(private readonly telemetry: Telemetry, private readonly pseudonymOf: (tenant: TenantContext) => Promise<string>) {}

  /** Never throws and never waits. */
  write(level: "info" | "debug", { requestId, transport, caller, context, times, wallMs, http }: EndedRequest): void {
    const fields: TelemetryFields = {
      requestId, transport, caller, ...http, ms: rounded(wallMs),
      stages: Object.fromEntries(times.stages.map(({ name, ms }) => [name, rounded(ms)])),
      ...factsOf(context),
    };
    if (context?.kind !== "TENANT") return this.telemetry.log(level, "request", fields);
    this.pseudonymOf(context.tenant).then(
      (user) => this.telemetry.log(level, "request", { ...fields, user }),
      // Its tenant may just have been erased, and its key with it: then the user is nobody's already.
      () => this.telemetry.log(level, "request", fields),
    );
  }
}

function factsOf(context: RequestContext | undefined): TelemetryFields {
  if (context === undefined) return {};
  const { codes = [], ...facts } = context.facts ?? {};
  const told = codes.length === 0 ? facts : { ...facts, codes };
  if (context.kind !== "TENANT") return told;
  const { policy, record, epoch } = context.tenant;
  return { tier: policy.tier, placement: placementName(record.placement), epoch, ...told };
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
