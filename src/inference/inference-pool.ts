import { badUserInput } from "../kernel/errors.js";
import { describe } from "../kernel/ids.js";
import type { TierPolicy } from "../tenancy/tier-policy.js";
import type { InferenceBackend } from "./inference-backend.js";

export interface ChosenModel {
  readonly model: string;
  readonly backend: InferenceBackend;
}

/** Back ends that share models and so stand behind one line of waiting calls. What is left out is not limited. */
export interface PoolGroup {
  readonly name: string;
  /** Calls that all servers together may have running. */
  readonly slots: number;
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
}

/** Calls at once of a group that names no number: enough to keep a model server's batch busy. */
const slotsDefault = 8;

/** The back ends of a deployment. The first one that a tier allows is its default. */
export class InferencePool {
  readonly #backends = new Map<string, InferenceBackend>();

  /** `backends` in order of preference. A model served twice is served by the first. */
  constructor(backends: readonly InferenceBackend[]) {
    for (const backend of backends) {
      for (const model of backend.models) {
        if (!this.#backends.has(model)) this.#backends.set(model, backend);
      }
    }
  }

  get models(): readonly string[] {
    return [...this.#backends.keys()];
  }

  get groups(): readonly PoolGroup[] {
    return [{ name: "default", slots: slotsDefault }];
  }

  /** The name of the group whose back ends serve the model. */
  groupOf(_model: string): string {
    return "default";
  }

  /**
   * The named model, or the tier's default. Throws `BAD_USER_INPUT` that names the models the tier
   * may use; a model it may not use and one that does not exist read alike.
   */
  choose(policy: TierPolicy, model?: string): ChosenModel {
    const allowed = this.models.filter((name) => policy.models.includes("*") || policy.models.includes(name));
    const chosen = model ?? allowed[0];
    const backend = chosen === undefined || !allowed.includes(chosen) ? undefined : this.#backends.get(chosen);
    if (chosen === undefined || backend === undefined) {
      throw badUserInput("model", describe(model), allowed.length === 0 ? "a model that this deployment configures for the tier" : `one of ${allowed.join(", ")}`);
    }
    return { model: chosen, backend };
  }
}
