import { createHash } from "node:crypto";
import { Deadline } from "../kernel/deadline.js";
import { badUserInput } from "../kernel/errors.js";
import { newId } from "../kernel/ids.js";
import type { Telemetry } from "../kernel/telemetry.js";
import { untilAborted } from "../metering/until-aborted.js";
import type { TenantRouter } from "../routing/tenant-router.js";
import type { IdempotencyStore, KeyedAnswer, TenantStore } from "../storage/tenant-store.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { AskInput } from "./answer-event.js";

/** Long enough for a UUID with a prefix that says what for. */
const keyCharsMax = 200;
/** Characters that cannot be seen in a log; and halves of a pair, which are no characters. */
const unprintable = /[\p{Cc}\p{Cs}]/u;

/** For giving a key back when its request's own time is over. A key that is not given back is free when its lease ends. */
const releaseMsMax = 2_000;

export interface KeyTiming {
  /** How long a key stays its owner's after its last sign of life: a crash holds up a retry for so long. */
  readonly leaseMs: number;
  /** Between two signs of life: one may be lost. */
  readonly renewMs: number;
}

/** Throws `BAD_USER_INPUT`. Nothing is normalised: keys that look alike and differ in bytes are two. */
export function parseIdempotencyKey(value: unknown): string {
  const expected = `1 to ${keyCharsMax} printable characters`;
  if (typeof value !== "string") throw badUserInput("idempotencyKey", typeof value, expected);
  if (value.length === 0 || value.length > keyCharsMax) throw badUserInput("idempotencyKey", `${value.length} characters`, expected);
  if (unprintable.test(value)) throw badUserInput("idempotencyKey", "a control character or half a character", expected);
  return value;
}

/** As they were sent, before any default: what a tier allows may change between two sendings of one question. */
export function argumentsOf({ question, conversationId, model, maxTokens, cacheSimilarity, skipCache, adapterId }: AskInput): string {
  // Appended only where given: keys that were used before these arguments existed keep their hash.
  const cache = cacheSimilarity === undefined && skipCache === undefined ? [] : [cacheSimilarity, skipCache];
  // An object, which nothing else here is.
  const adapter = adapterId === undefined ? [] : [{ adapterId }];
  // What is left out is `null` here, which no argument can be.
  return createHash("sha256").update(JSON.stringify([question, conversationId, model, maxTokens, ...cache, ...adapter])).digest("hex");
}

/** One attempt at a question that has a key: the key's record, through the tenant's store wherever the tenant is. */
export class KeyedQuestion {
  readonly #arguments: string;
  readonly #owner = newId<string>("request");

  constructor(
    private readonly router: Pick<TenantRouter, "read" | "write">,
    private readonly telemetry: Telemetry,
    readonly context: TenantContext,
    readonly deadline: Deadline,
    private readonly key: string,
    input: AskInput,
    private readonly timing: KeyTiming,
  ) {
    this.#arguments = argumentsOf(input);
  }

  /** The same for every attempt of one user with one key. JSON keeps the parts apart. */
  get id(): string {
    return JSON.stringify([this.context.tenantId, this.context.userId, this.key]);
  }

  claim(): ReturnType<IdempotencyStore["claim"]> {
    return this.#write((keys) => keys.claim(this.key, this.#arguments, this.#owner, this.timing.leaseMs));
  }

  look(): ReturnType<IdempotencyStore["look"]> {
    const looked = this.router.read(this.context, this.deadline, (store) => this.#keys(store).look(this.key, this.#arguments));
    return untilAborted(looked, this.deadline.signal);
  }

  answer(answer: KeyedAnswer): ReturnType<IdempotencyStore["answer"]> {
    return this.#write((keys) => keys.answer(this.key, this.#arguments, answer));
  }

  /** Keeps the key this attempt's until the result is called. A failure is not the question's: the first answer is kept whoever has the lease. */
  hold(): () => void {
    const renew = (): void => {
      this.#write((keys) => keys.renew(this.key, this.#owner, this.timing.leaseMs)).catch((error: unknown) => this.#lost("renewed", error));
    };
    const timer = setInterval(renew, this.timing.renewMs).unref();
    return () => clearInterval(timer);
  }

  /** Never rejects. */
  async release(): Promise<void> {
    const deadline = Deadline.after(releaseMsMax);
    try {
      await untilAborted(this.router.write(this.context, deadline, (store) => this.#keys(store).release(this.key, this.#owner)), deadline.signal);
    } catch (error) {
      this.#lost("released", error);
    } finally {
      deadline.dispose();
    }
  }

  #write<Value>(work: (keys: IdempotencyStore) => Promise<Value>): Promise<Value> {
    return untilAborted(this.router.write(this.context, this.deadline, (store) => work(this.#keys(store))), this.deadline.signal);
  }

  #keys(store: TenantStore): IdempotencyStore {
    return store.idempotencyOf(this.context.userId);
  }

  #lost(what: string, error: unknown): void {
    this.telemetry.log("warn", `An idempotency key could not be ${what}`, { tenantId: this.context.tenantId, error: String(error) });
  }
}
