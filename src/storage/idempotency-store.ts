import { createHash } from "node:crypto";
import { BulkheadError } from "../kernel/errors.js";
import type { UserId } from "../kernel/ids.js";
import { appendTurn } from "./append-turn.js";
import { answerStands, forgetKey, sweepKeys } from "./idempotency-rows.js";
import type { StoredIdempotencyRecord } from "./rows.js";
import type { StoreParts } from "./store-parts.js";
import type { IdempotencyStore, KeyedAnswer, KeyState } from "./tenant-store.js";
import type { WriteTurn } from "./write-turn.js";

/** How long a key is bound to its arguments and answer. */
const keptMs = 24 * 3_600_000;
/** Tries of a claim that meets another server's insert of the same key: after the first that row is there to be read. */
const claimAttemptsMax = 3;

interface Judged {
  readonly state: KeyState;
  /** Also one that has run out: it is still in the way of an insert. */
  readonly record: StoredIdempotencyRecord | undefined;
}

/**
 * Keys of one user: the user is in every row's `_id` and in every filter, beside the tenant that the
 * scope adds. Leases go by the servers' clocks. One that runs ahead takes a key over too early, and
 * then a call is made twice; still one answer is kept and everybody gets that one.
 */
export class ScopedIdempotencyStore implements IdempotencyStore {
  constructor(private readonly parts: StoreParts, private readonly userId: UserId) {}

  async look(key: string, argumentsSha256: string): Promise<KeyState> {
    return (await this.#judge(this.parts, key, argumentsSha256)).state;
  }

  async claim(key: string, argumentsSha256: string, owner: string, leaseMs: number): Promise<KeyState | { readonly kind: "CLAIMED" }> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.parts.write(3, (turn) => this.#claim(turn, key, argumentsSha256, owner, leaseMs));
      } catch (error) {
        if (attempt === claimAttemptsMax || !isTaken(error)) throw error;
      }
    }
  }

  async renew(key: string, owner: string, leaseMs: number): Promise<boolean> {
    const set = { lease_until: this.#in(leaseMs) };
    return (await this.parts.write(1, (turn) => turn.write("idempotency_records").update(this.#worked(key, owner), { set }))) !== undefined;
  }

  async release(key: string, owner: string): Promise<void> {
    await this.parts.write(2, async (turn) => {
      const removed = await turn.write("idempotency_records").removeOne(this.#worked(key, owner));
      if (removed !== undefined) await turn.bury({ collection: "idempotency_records", field: "_id", value: removed._id });
    });
  }

  async answer(key: string, argumentsSha256: string, answer: KeyedAnswer): Promise<KeyState | { readonly kind: "STORED" }> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.parts.write(5, (turn) => this.#answer(turn, key, argumentsSha256, answer));
      } catch (error) {
        if (attempt === claimAttemptsMax || !isTaken(error)) throw error;
      }
    }
  }

  async #claim(turn: WriteTurn, key: string, argumentsSha256: string, owner: string, leaseMs: number): Promise<KeyState | { readonly kind: "CLAIMED" }> {
    const { state, record } = await this.#judge(turn, key, argumentsSha256);
    if (state.kind !== "FREE") return state;
    const lease = { owner, lease_until: this.#in(leaseMs) };
    if (record === undefined || this.#isOver(record)) await this.#insert(turn, key, argumentsSha256, record, lease);
    else await turn.write("idempotency_records").update({ _id: record._id, user_id: this.userId }, { set: lease });
    return { kind: "CLAIMED" };
  }

  async #answer(turn: WriteTurn, key: string, argumentsSha256: string, given: KeyedAnswer): Promise<KeyState | { readonly kind: "STORED" }> {
    const { state, record } = await this.#judge(turn, key, argumentsSha256);
    if (state.kind !== "FREE" && state.kind !== "BUSY") return state;
    const row = {
      id: given.id,
      user_id: this.userId,
      document_ids: [...given.documentIds],
      answer: given.answer,
      ...(given.conversationId === undefined ? {} : { conversation_id: given.conversationId }),
    };
    // What it rests on may be gone by now. Then the text has no business here, but the key is used up all the same.
    if (await answerStands(turn, this.parts, row)) await turn.write("idempotency_answers").insert([row]);
    // Also for an answer that is not kept: it was given, and its conversation may well be there.
    if (given.conversationId !== undefined && given.turn !== undefined) await appendTurn(turn, this.parts, this.userId, given.conversationId, given.id, given.turn);
    const answered = { answer_id: given.id, lease_until: this.#in(0) };
    if (record === undefined || this.#isOver(record)) await this.#insert(turn, key, argumentsSha256, record, { owner: "", ...answered });
    else await turn.write("idempotency_records").update({ _id: record._id, user_id: this.userId }, { set: { ...answered, expires_at: this.#in(keptMs) } });
    return { kind: "STORED" };
  }

  async #insert(
    turn: WriteTurn,
    key: string,
    argumentsSha256: string,
    old: StoredIdempotencyRecord | undefined,
    fields: Pick<StoredIdempotencyRecord, "owner" | "lease_until" | "answer_id">,
  ): Promise<void> {
    if (old !== undefined) await forgetKey(turn, this.parts.scope, old);
    const [newest] = await turn.read("idempotency_records").find({ user_id: this.userId }, { sort: { ordinal: -1 }, limit: 1 });
    const ordinal = newest === undefined ? 0 : newest.ordinal + 1;
    const row = { id: this.#id(key), user_id: this.userId, ordinal, expires_at: this.#in(keptMs), arguments_sha256: argumentsSha256, ...fields };
    await turn.write("idempotency_records").insert([row]);
    await sweepKeys(turn, this.parts.scope, this.userId, ordinal, this.#in(0));
  }

  async #judge(from: Pick<WriteTurn, "read">, key: string, argumentsSha256: string): Promise<Judged> {
    const record = await from.read("idempotency_records").findOne({ _id: this.#key(key), user_id: this.userId });
    if (record === undefined || this.#isOver(record)) return { state: { kind: "FREE" }, record };
    // Also of a key whose owner is gone: what it was used for may have been done, and paid for.
    if (record.arguments_sha256 !== argumentsSha256) return { state: { kind: "MISMATCH" }, record };
    if (record.answer_id === undefined) return { state: { kind: record.lease_until > this.#in(0) ? "BUSY" : "FREE" }, record };
    const answer = await from.read("idempotency_answers").findOne({ _id: this.parts.scope.key(record.answer_id), user_id: this.userId });
    // Checked each time: a document that another server removed while the answer was being stored did not take it along.
    if (answer === undefined || !(await answerStands(from, this.parts, answer))) return { state: { kind: "GONE" }, record };
    return { state: { kind: "ANSWERED", answer: answer.answer }, record };
  }

  #isOver(record: StoredIdempotencyRecord): boolean {
    return record.expires_at <= this.#in(0);
  }

  #worked(key: string, owner: string) {
    return { _id: this.#key(key), user_id: this.userId, owner, answer_id: { $exists: false } };
  }

  #key(key: string): string {
    return this.parts.scope.key(this.#id(key));
  }

  /** A text of any length and of any characters becomes a short one of few. JSON keeps user and key apart, so no two pairs are one. */
  #id(key: string): string {
    return `idk_${createHash("sha256").update(JSON.stringify([this.userId, key])).digest("base64url")}`;
  }

  #in(ms: number): Date {
    return new Date(this.parts.clock.now() + ms);
  }
}

/** Another server has inserted this very key since this transaction began. */
function isTaken(error: unknown): boolean {
  return error instanceof BulkheadError && error.code === "CONFLICT";
}
