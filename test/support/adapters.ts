import { createHash } from "node:crypto";
import { newId, type AdapterId } from "../../src/kernel/ids.js";
import type { AdapterRow } from "../../src/storage/adapter-rows.js";
import type { TenantStore } from "../../src/storage/tenant-store.js";
import { countPieces, weightsPieces } from "../../src/storage/weights-pieces.js";

/** A file of weights, stored whole. */
export async function importWeights({ adapters }: Pick<TenantStore, "adapters">, file: Buffer, { name = "imported", maxBytes = Number.MAX_SAFE_INTEGER } = {}): Promise<AdapterRow> {
  const id = newId<AdapterId>("adapter");
  await adapters.weights.begin({ id, name, baseModel: "base", bytes: file.length, sha256: createHash("sha256").update(file).digest("hex"), pieces: countPieces(file.length) }, { maxBytes });
  let ordinal = 0;
  for await (const piece of weightsPieces(file)) await adapters.weights.add(id, ordinal++, piece);
  return adapters.weights.finish(id);
}

/** Turns of one conversation, each said to be good. */
export async function teach(store: TenantStore, userId: Parameters<TenantStore["feedbackOf"]>[0], turns: readonly { readonly question: string; readonly answer: string }[]): Promise<void> {
  const conversations = store.conversationsOf(userId);
  const { id } = await conversations.start("taught");
  for (const turn of turns) await conversations.append(id, turn);
  for (const message of await conversations.latest(id, turns.length)) await store.feedbackOf(userId).give(message.id, { rating: "GOOD" });
}
