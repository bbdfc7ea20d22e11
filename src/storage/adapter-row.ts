import type { AdapterId } from "../kernel/ids.js";
import type { AdapterRow, AdapterState, AdapterWork } from "./adapter-rows.js";
import type { StoredAdapter } from "./rows.js";
import type { Scope } from "./scope.js";

/** What everyone but the work at the provider may see. */
export const presentAdapter = { state: { $ne: "REMOVING" } } as const;

/** Only for a row that is present. */
export function toAdapterRow(scope: Scope, stored: StoredAdapter): AdapterRow {
  const { weights_bytes: bytes, weights_sha256: sha256 } = stored;
  return {
    tenantId: scope.tenantId,
    id: scope.id(stored._id) as AdapterId,
    name: stored.name,
    baseModel: stored.base_model,
    origin: stored.origin,
    state: stored.state as AdapterState,
    examples: stored.examples,
    ...(stored.failure === undefined ? {} : { failure: stored.failure }),
    ...(bytes === undefined || sha256 === undefined ? {} : { weights: { bytes, sha256 } }),
    ...(stored.upstream_model === undefined ? {} : { upstreamModel: stored.upstream_model }),
    createdAt: stored.created_at,
    updatedAt: stored.updated_at,
  };
}

export function toAdapterWork(scope: Scope, stored: StoredAdapter): AdapterWork {
  return {
    tenantId: scope.tenantId,
    id: scope.id(stored._id) as AdapterId,
    baseModel: stored.base_model,
    origin: stored.origin,
    state: stored.state,
    ...(stored.manifest === undefined ? {} : { manifest: stored.manifest }),
    ...(stored.training_file === undefined ? {} : { trainingFile: stored.training_file }),
    ...(stored.training_job === undefined ? {} : { trainingJob: stored.training_job }),
    ...(stored.upstream_model === undefined ? {} : { upstreamModel: stored.upstream_model }),
    ...(stored.tokens_max === undefined ? {} : { tokensMax: stored.tokens_max }),
    createdAt: stored.created_at,
  };
}
