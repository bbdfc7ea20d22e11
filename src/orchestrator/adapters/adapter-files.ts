import { createHash } from "node:crypto";
import type { Deadline } from "../../kernel/deadline.js";
import { badUserInput } from "../../kernel/errors.js";
import { newId, type AdapterId } from "../../kernel/ids.js";
import type { TenantRouter } from "../../routing/tenant-router.js";
import type { AdapterRow } from "../../storage/adapter-rows.js";
import { countPieces, weightsPieces } from "../../storage/weights-pieces.js";
import type { TenantContext } from "../../tenancy/tenant-context.js";
import { parseAdapterName } from "./adapter-training.js";

export interface WeightsFile {
  readonly name: string;
  /** What the weights were made for. Told to whoever reads the adapter; this server loads none. */
  readonly baseModel: string;
  readonly file: Buffer;
}

const baseModelCharsMax = 100;

/** Weights that were made elsewhere: kept in the tenant's store as they came, and given back to their owner. */
export class AdapterFiles {
  constructor(private readonly router: Pick<TenantRouter, "read" | "write">) {}

  /** Resolves when all of it is stored. Throws `BAD_USER_INPUT`, `LIMIT_EXCEEDED`; nothing is left then but, after a crash, an adapter that becomes `FAILED`. */
  async import(context: TenantContext, deadline: Deadline, { name, baseModel, file }: WeightsFile): Promise<AdapterRow> {
    if (file.length === 0) throw badUserInput("body", "an empty file", "a file of weights");
    const base = baseModel.trim();
    if (base.length === 0 || base.length > baseModelCharsMax) throw badUserInput("baseModel", `${base.length} characters`, `1 to ${baseModelCharsMax}`);
    const id = newId<AdapterId>("adapter");
    const sha256 = createHash("sha256").update(file).digest("hex");
    const begun = { id, name: parseAdapterName(name), baseModel: base, bytes: file.length, sha256, pieces: countPieces(file.length) };
    await this.router.write(context, deadline, (store) => store.adapters.weights.begin(begun, context.policy));
    try {
      let ordinal = 0;
      // Each piece is a write of its own: the tenant may move between two, and its other writes wait for none of them long.
      for await (const piece of weightsPieces(file)) {
        const at = ordinal++;
        await this.router.write(context, deadline, (store) => store.adapters.weights.add(id, at, piece));
        deadline.throwIfOver();
      }
      return await this.router.write(context, deadline, (store) => store.adapters.weights.finish(id));
    } catch (error) {
      // If this fails too, the next start does it.
      await this.router.write(context, deadline, (store) => store.adapters.remove(id)).catch(() => undefined);
      throw error;
    }
  }

  /** The file as it was imported. Throws `NOT_FOUND` for an adapter that is not the tenant's, or has no weights here. */
  export(context: TenantContext, deadline: Deadline, id: AdapterId): Promise<Buffer> {
    return this.router.read(context, deadline, (store) => store.adapters.weights.read(id));
  }
}
