import { internal, notFound } from "../kernel/errors.js";
import type { AdapterId } from "../kernel/ids.js";
import type { Page, PageRequest } from "../kernel/page.js";
import { checkAdapterRoom } from "./adapter-room.js";
import { presentAdapter, toAdapterRow, toAdapterWork } from "./adapter-row.js";
import type { AdapterClaim, AdapterProgress, AdapterRow, AdapterStore, AdapterWork, TrainingCaps, TrainingRow } from "./adapter-rows.js";
import { ScopedAdapterWeights } from "./adapter-weights.js";
import { newestFirstSort, olderThan } from "./newest-first.js";
import { checkPageRequest, pageOf } from "./page-cursor.js";
import type { StoredAdapter } from "./rows.js";
import type { StoreParts } from "./store-parts.js";
import { countTraining } from "./totals.js";
import { checkTrainingsAtOnce } from "./training-caps.js";
import { readTrainingRows } from "./training-rows.js";
import type { WriteTurn } from "./write-turn.js";

const beingTrained = ["PREPARING", "UPLOADING", "TRAINING"] as const;
const inTraining = { origin: "TRAINED", state: { $in: beingTrained } } as const;
const working = [...beingTrained, "REMOVING"] as const;

export class ScopedAdapterStore implements AdapterStore {
  readonly weights: ScopedAdapterWeights;

  constructor(private readonly parts: StoreParts) {
    this.weights = new ScopedAdapterWeights(parts);
  }

  async get(id: AdapterId): Promise<AdapterRow | undefined> {
    return (await this.getMany([id]))[0];
  }

  async getMany(ids: readonly AdapterId[]): Promise<readonly (AdapterRow | undefined)[]> {
    const { scope } = this.parts;
    const found = await this.parts.read("adapters").find({ _id: { $in: ids.map((id) => scope.key(id)) }, ...presentAdapter });
    const rows = new Map(found.map((stored) => [stored._id, toAdapterRow(scope, stored)]));
    return ids.map((id) => rows.get(scope.key(id)));
  }

  async page(request: PageRequest): Promise<Page<AdapterRow>> {
    const { scope } = this.parts;
    const { first, after } = checkPageRequest(request);
    const rows = await this.parts.read("adapters").find({ ...presentAdapter, ...olderThan(scope, after) }, { sort: newestFirstSort, limit: first + 1 });
    return pageOf(rows, first, (row) => toAdapterRow(scope, row), (row) => ({ order: row.created_at.getTime(), id: scope.id(row._id) }));
  }

  async countTraining(): Promise<number> {
    return this.parts.read("adapters").count(inTraining);
  }

  add(adapter: { readonly id: AdapterId; readonly name: string; readonly baseModel: string }, caps: TrainingCaps): Promise<AdapterRow> {
    return this.parts.write(2, async (turn) => {
      await checkAdapterRoom(turn);
      checkTrainingsAtOnce(await turn.read("adapters").count(inTraining), caps);
      // Writes the tenant's one row of totals: of two servers that ask at the same moment one begins again, and sees the other's.
      await countTraining(turn, this.parts.scope, this.#now(), caps);
      const now = this.#now();
      await turn.write("adapters").insert([
        { id: adapter.id, name: adapter.name, base_model: adapter.baseModel, origin: "TRAINED", state: "PREPARING", examples: 0, owner: "", lease_until: now, created_at: now, updated_at: now },
      ]);
      const stored = await turn.read("adapters").findOne({ _id: this.#key(adapter.id) });
      if (stored === undefined) throw internal("An adapter was not found in the transaction that added it");
      return toAdapterRow(this.parts.scope, stored);
    });
  }

  async unfinished(): Promise<readonly AdapterId[]> {
    const rows = await this.parts.read("adapters").find({ state: { $in: working } });
    return rows.map((row) => this.parts.scope.id(row._id) as AdapterId);
  }

  claim(id: AdapterId, owner: string, leaseMs: number): Promise<AdapterClaim> {
    const { scope } = this.parts;
    return this.parts.write(1, async (turn) => {
      const now = this.#now();
      const free = { $or: [{ owner }, { owner: "" }, { lease_until: { $lte: now } }] };
      const claimed = await turn.write("adapters").update({ _id: this.#key(id), state: { $in: working }, ...free }, { set: { owner, lease_until: new Date(now.getTime() + leaseMs) } });
      if (claimed !== undefined) return { kind: "CLAIMED", work: toAdapterWork(scope, claimed) };
      const other = await turn.read("adapters").findOne({ _id: this.#key(id), state: { $in: working } });
      return other === undefined ? { kind: "DONE" } : { kind: "BUSY", until: other.lease_until };
    });
  }

  setManifest(id: AdapterId, owner: string, manifest: readonly string[], tokensMax: number): Promise<boolean> {
    return this.parts.write(2, async (turn) => {
      // A sealed field cannot be changed in its place. The number of this write tells a mover of the new row.
      const row = await turn.write("adapters").removeOne({ _id: this.#key(id), owner, state: { $in: ["PREPARING", "UPLOADING"] } });
      if (row === undefined) return false;
      const { _id, tenant_id: _tenant, stripe: _stripe, seq: _seq, ...fields } = row;
      await turn.write("adapters").insert([{ ...fields, id, manifest: [...manifest], examples: manifest.length, tokens_max: tokensMax, state: "UPLOADING", updated_at: this.#now() }]);
      return true;
    });
  }

  async progress(id: AdapterId, owner: string, { state, trainingFile, trainingJob, upstreamModel, failure }: AdapterProgress): Promise<boolean> {
    const set = {
      updated_at: this.#now(),
      ...(state === undefined ? {} : { state }),
      ...(typeof trainingFile === "string" ? { training_file: trainingFile } : {}),
      ...(trainingJob === undefined ? {} : { training_job: trainingJob }),
      ...(upstreamModel === undefined ? {} : { upstream_model: upstreamModel }),
      ...(failure === undefined ? {} : { failure }),
    };
    const unset = trainingFile === null ? (["training_file"] as const) : [];
    return this.parts.write(1, async (turn) => (await turn.write("adapters").update({ _id: this.#key(id), owner, state: { $in: beingTrained } }, { set, unset })) !== undefined);
  }

  remove(id: AdapterId): Promise<AdapterWork | undefined> {
    return this.parts.write(5, async (turn) => {
      // Nobody's from now on: whoever works on it learns so from the next thing they write.
      const removing = await turn.write("adapters").update({ _id: this.#key(id), ...presentAdapter }, { set: { state: "REMOVING", owner: "", lease_until: this.#now(), updated_at: this.#now() } });
      if (removing === undefined) throw notFound("Adapter");
      await this.weights.removeIn(turn, removing);
      const work = toAdapterWork(this.parts.scope, removing);
      if (mayBeAtProvider(work)) return work;
      await this.#forgetIn(turn, removing);
      return undefined;
    });
  }

  async forget(id: AdapterId): Promise<void> {
    await this.parts.write(2, async (turn) => {
      const row = await turn.read("adapters").findOne({ _id: this.#key(id), state: "REMOVING" });
      if (row !== undefined) await this.#forgetIn(turn, row);
    });
  }

  async atProvider(): Promise<readonly AdapterWork[]> {
    const rows = await this.parts.read("adapters").find({ origin: "TRAINED" });
    return rows.map((row) => toAdapterWork(this.parts.scope, row)).filter(mayBeAtProvider);
  }

  trainingRows(rowsMax: number, charsMax: number): Promise<readonly TrainingRow[]> {
    return readTrainingRows(this.parts, rowsMax, charsMax);
  }

  async #forgetIn(turn: WriteTurn, { _id }: StoredAdapter): Promise<void> {
    await turn.write("adapters").removeOne({ _id });
    await turn.bury({ collection: "adapters", field: "_id", value: _id });
  }

  #key(id: AdapterId): string {
    return this.parts.scope.key(id);
  }

  #now(): Date {
    return new Date(this.parts.clock.now());
  }
}

/** With its manifest an adapter has the name of its training file, and a server may have died between sending the file and writing down its id. */
function mayBeAtProvider({ origin, manifest, trainingFile }: AdapterWork): boolean {
  return origin === "TRAINED" && (manifest !== undefined || trainingFile !== undefined);
}
