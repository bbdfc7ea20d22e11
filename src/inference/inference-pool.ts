import { badUserInput, conflict, internal } from "../kernel/errors.js";
import { describe } from "../kernel/ids.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { TierPolicy } from "../tenancy/tier-policy.js";
import type { CompletionRequest, InferenceBackend, PoolGroup } from "./inference-backend.js";
import { TenantModel } from "./tenant-model.js";

export interface ChosenModel {
  readonly model: string;
  readonly backend: InferenceBackend;
  /** The tenant's own model, asked for in the place of `model`, which it is made from and priced as. */
  readonly tuned?: TenantModel;
}

/** Calls at once of a back end that names no number: enough to keep a model server's batch busy. */
export const slotsDefault = 8;

/** The back ends of a deployment. The first model that a tier allows is its default. */
export class InferencePool {
  readonly #backends = new Map<string, InferenceBackend>();
  readonly #groups = new Map<InferenceBackend, PoolGroup>();
  readonly #taps = new Set<(request: CompletionRequest) => void>();

  /** `backends` in order of preference. A model served twice is served by the first. */
  constructor(private readonly backends: readonly InferenceBackend[]) {
    for (const backend of backends) {
      this.#groups.set(backend, backend.limits ?? { name: backend.models[0] ?? "empty", slots: slotsDefault });
      for (const model of backend.models) {
        if (!this.#backends.has(model)) this.#backends.set(model, backend);
      }
    }
  }

  get models(): readonly string[] {
    return [...this.#backends.keys()];
  }

  get groups(): readonly PoolGroup[] {
    return [...this.#groups.values()];
  }

  /** The name of the group whose back ends serve the model, which is one of `models`. */
  groupOf(model: string): string {
    const backend = this.#backends.get(model);
    const group = backend === undefined ? undefined : this.#groups.get(backend);
    if (group === undefined) throw internal(`No back end serves the model ${model}`);
    return group.name;
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
    return { model: chosen, backend: this.#taps.size === 0 ? backend : this.#tapped(backend) };
  }

  /** How the server that also trains models knows this one; undefined where none does. */
  nameAtTrainer(model: string): string | undefined {
    return this.#backends.get(model)?.nameAtTrainer?.(model);
  }

  /**
   * A tenant's own model. `model` may name its base model again. Throws `BAD_USER_INPUT` for another
   * model, or where the tier does not allow the base model; `CONFLICT` when no endpoint trains it any
   * more; `INTERNAL` for the model of another tenant than the context's.
   */
  chooseTuned(context: TenantContext, tuned: TenantModel, model?: string): ChosenModel {
    if (!(tuned instanceof TenantModel) || tuned.tenantId !== context.tenantId) throw internal("The model of another tenant was asked for");
    if (model !== undefined && model !== tuned.baseModel) throw badUserInput("model", describe(model), `none, or ${tuned.baseModel}, which the adapter is made from`);
    const chosen = this.choose(context.policy, tuned.baseModel);
    if (this.nameAtTrainer(chosen.model) === undefined) throw conflict("The adapter's base model is not served any more where it was trained");
    return { ...chosen, tuned };
  }

  /** For the isolation audit, which looks at what a model is told. `listener` must not throw. Call what it returns to end it. */
  tap(listener: (request: CompletionRequest) => void): () => void {
    this.#taps.add(listener);
    return () => this.#taps.delete(listener);
  }

  #tapped(backend: InferenceBackend): InferenceBackend {
    return {
      models: backend.models,
      complete: (request, signal) => {
        for (const tap of this.#taps) tap(request);
        return backend.complete(request, signal);
      },
    };
  }

  /** Closes the connections that are kept. */
  close(): void {
    for (const backend of this.backends) backend.close?.();
  }
}
