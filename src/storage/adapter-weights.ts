import { decompress } from "@mongodb-js/zstd";
import { Binary } from "mongodb";
import { createHash } from "node:crypto";
import { conflict, internal, notFound } from "../kernel/errors.js";
import type { AdapterId } from "../kernel/ids.js";
import { presentAdapter, toAdapterRow } from "./adapter-row.js";
import type { AdapterRow, AdapterWeightsStore } from "./adapter-rows.js";
import { checkAdapterRoom } from "./adapter-room.js";
import type { StoredAdapter } from "./rows.js";
import type { StoreParts } from "./store-parts.js";
import { countWeights, uncountWeights } from "./totals.js";
import type { TierPolicy } from "../tenancy/tier-policy.js";
import type { WriteTurn } from "./write-turn.js";

/** A file that has not come whole within this never will: its sender is gone, or its server. */
const importMsMax = 5 * 60_000;

export class ScopedAdapterWeights implements AdapterWeightsStore {
  constructor(private readonly parts: StoreParts) {}

  async begin(adapter: { readonly id: AdapterId; readonly name: string; readonly baseModel: string; readonly bytes: number; readonly sha256: string; readonly pieces: number }, caps: Pick<TierPolicy, "maxBytes">): Promise<void> {
    await this.parts.write(2, async (turn) => {
      await checkAdapterRoom(turn);
      await countWeights(turn, this.parts.scope, adapter.bytes, caps);
      const now = this.#now();
      await turn.write("adapters").insert([
        {
          id: adapter.id,
          name: adapter.name,
          base_model: adapter.baseModel,
          origin: "FILE",
          state: "UPLOADING",
          examples: 0,
          weights_bytes: adapter.bytes,
          counted_bytes: adapter.bytes,
          weights_pieces: adapter.pieces,
          weights_sha256: adapter.sha256,
          owner: "import",
          lease_until: new Date(now.getTime() + importMsMax),
          created_at: now,
          updated_at: now,
        },
      ]);
    });
  }

  async add(id: AdapterId, ordinal: number, { bytes, zstd }: { readonly bytes: number; readonly zstd: Uint8Array }): Promise<void> {
    await this.parts.write(2, async (turn) => {
      // Written and not only read: with a removal at the same moment one of the two must give way.
      const row = await turn.write("adapters").update(this.#coming(id), { set: { updated_at: this.#now() } });
      if (row === undefined) throw notFound("Adapter");
      await turn.write("adapter_weights").insert([{ id: `${id}~${ordinal}`, adapter_id: id, ordinal, bytes, zstd: new Binary(zstd) }]);
    });
  }

  finish(id: AdapterId): Promise<AdapterRow> {
    return this.parts.write(1, async (turn) => {
      const row = await turn.write("adapters").update(this.#coming(id), { set: { state: "IMPORTED", owner: "", updated_at: this.#now() } });
      if (row === undefined) throw notFound("Adapter");
      const pieces = await turn.read("adapter_weights").count({ adapter_id: id });
      if (pieces !== row.weights_pieces) throw conflict(`The file has ${pieces} of its ${row.weights_pieces} pieces`);
      return toAdapterRow(this.parts.scope, row);
    });
  }

  async giveUp(id: AdapterId, owner: string): Promise<void> {
    await this.parts.write(5, async (turn) => {
      const failure = { code: "BAD_USER_INPUT", message: "The file did not come to its end" };
      const row = await turn.write("adapters").update({ ...this.#coming(id), owner }, { set: { state: "FAILED", owner: "", failure, updated_at: this.#now() } });
      if (row !== undefined) await this.removeIn(turn, row);
    });
  }

  async read(id: AdapterId): Promise<Buffer> {
    const row = await this.parts.read("adapters").findOne({ _id: this.parts.scope.key(id), ...presentAdapter });
    if (row === undefined || row.state !== "IMPORTED") throw notFound("Adapter");
    const pieces: Buffer[] = [];
    for (let ordinal = 0; ordinal < (row.weights_pieces ?? 0); ordinal += 1) {
      const piece = await this.parts.read("adapter_weights").findOne({ adapter_id: id, ordinal });
      if (piece === undefined) throw internal("A piece of an adapter's weights is missing");
      pieces.push(await decompress(Buffer.from(piece.zstd.buffer)));
    }
    const whole = Buffer.concat(pieces);
    // Weights that are not what was imported answer wrongly without anybody seeing why.
    if (createHash("sha256").update(whole).digest("hex") !== row.weights_sha256) throw internal("An adapter's weights are not what was imported");
    return whole;
  }

  /** All pieces of an adapter, and what they count, within a write. */
  async removeIn(turn: WriteTurn, { _id, counted_bytes: counted = 0 }: StoredAdapter): Promise<void> {
    const id = this.parts.scope.id(_id);
    if (counted > 0) {
      await uncountWeights(turn, this.parts.scope, counted);
      // A file that was given up is removed later, and gives back nothing then.
      await turn.write("adapters").update({ _id }, { unset: ["counted_bytes"] });
    }
    const pieces = await turn.write("adapter_weights").removeMany({ adapter_id: id });
    if (pieces > 0) await turn.bury({ collection: "adapter_weights", field: "adapter_id", value: id });
  }

  #coming(id: AdapterId) {
    return { _id: this.parts.scope.key(id), origin: "FILE", state: "UPLOADING" } as const;
  }

  #now(): Date {
    return new Date(this.parts.clock.now());
  }
}
