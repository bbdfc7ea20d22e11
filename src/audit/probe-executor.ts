import type { DocumentNode, GraphQLSchema } from "graphql";
import type { AdapterId, TenantId, UserId } from "../kernel/ids.js";
import type { TenantRole } from "../tenancy/verified-caller.js";

/** Whom a probe speaks for: a user of one of the audit's own tenants. */
export interface ProbeCaller {
  readonly tenantId: TenantId;
  readonly userId: UserId;
  readonly roles: readonly TenantRole[];
}

/** What a client would have got. */
export interface ProbeAnswer {
  readonly data: Readonly<Record<string, unknown>> | null;
  readonly errors: readonly { readonly message: string; readonly path?: readonly (string | number)[]; readonly code: string }[];
  /** The whole answer as it would go over the wire. */
  readonly text: string;
}

/**
 * Runs operations as a caller of a probe tenant, through the schema with its rules, loaders and masks.
 * Implemented by the gateway, in this process alone: nothing that comes over the network leads here.
 */
export interface ProbeExecutor {
  readonly schema: GraphQLSchema;
  /** `signal` ends it as a client that goes would. Throws `FORBIDDEN` for a tenant that is not the audit's, and as a request's opening does. */
  run(caller: ProbeCaller, document: DocumentNode, variables: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<ProbeAnswer>;
  /** A subscription's events, at most `eventsMax` and no longer than `msMax`. One that cannot begin is one answer with errors. */
  stream(caller: ProbeCaller, document: DocumentNode, variables: Readonly<Record<string, unknown>>, eventsMax: number, msMax: number, signal: AbortSignal): Promise<readonly ProbeAnswer[]>;
  /** As `POST /adapters`; gives the adapter's id. */
  importWeights(caller: ProbeCaller, name: string, file: Buffer): Promise<AdapterId>;
  /** As `GET /adapters/ID/weights`. Throws `NOT_FOUND`. */
  exportWeights(caller: ProbeCaller, id: AdapterId): Promise<Buffer>;
}
