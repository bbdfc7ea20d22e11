import { hkdfSync } from "node:crypto";
import { serviceUnavailable } from "../../kernel/errors.js";
import { SingleFlight } from "../../kernel/single-flight.js";
import type { TenantSecret } from "../control/control-plane.js";
import { TermForms } from "./term-forms.js";

/** What one version of a tenant's secret is used as. */
export interface SealingKey {
  readonly version: number;
  readonly rows: Buffer;
  readonly terms: TermForms;
}

/** A ring this old is read again in the background: whoever asks next finds a fresh one and does not wait. */
const renewAfterMs = 500;
/** A ring this old is waited for before a batch begins, so that it does not become too old within the batch. */
const waitAfterMs = 1_500;
/** A ring this old is not used at all: no server goes on for longer with a key that was rotated or destroyed. */
export const ringAgeMsMax = 2_000;
/** A read that takes longer than `waitAfterMs` gives a ring that is too old at once; more tries would not help. */
const readsMax = 3;
const keyBytes = 32;

/** The live versions of one tenant's secret, on one server. Old ones open what they sealed; the newest seals. */
export class KeyRing {
  #keys: readonly SealingKey[] = [];
  #readAt = Number.NEGATIVE_INFINITY;
  #asked = 0;
  readonly #flights = new SingleFlight<void>();

  constructor(private readonly read: () => Promise<TenantSecret | undefined>) {}

  /** Undefined when the ring may be used at once, which costs nothing. Otherwise resolves when it may. Throws `SERVICE_UNAVAILABLE`. */
  ready(): Promise<void> | undefined {
    const ageMs = performance.now() - this.#readAt;
    if (ageMs < renewAfterMs) return undefined;
    if (ageMs >= waitAfterMs) return this.#renewed();
    // It fails aloud for whoever has to wait.
    this.#renew().catch(() => undefined);
    return undefined;
  }

  /** For whoever cannot wait: false when `ready` must be awaited first. Then too the vault is read in the background, so that a later try succeeds. */
  isUsable(): boolean {
    const ageMs = performance.now() - this.#readAt;
    if (ageMs >= renewAfterMs) this.#renew().catch(() => undefined);
    return ageMs < ringAgeMsMax;
  }

  /** Reads the vault, whatever the age, and joins no read that began before. */
  async learn(): Promise<void> {
    this.#asked += 1;
    await this.#renewed();
  }

  get newest(): SealingKey | undefined {
    return this.#keys.at(-1);
  }

  get all(): readonly SealingKey[] {
    return this.#keys;
  }

  find(version: number): SealingKey | undefined {
    return this.#keys.find((key) => key.version === version);
  }

  async #renewed(): Promise<void> {
    for (let read = 1; read <= readsMax; read += 1) {
      await this.#renew();
      if (performance.now() - this.#readAt < waitAfterMs) return;
    }
    throw serviceUnavailable("The tenant's key cannot be read in time");
  }

  #renew(): Promise<void> {
    return this.#flights.run(String(this.#asked), async () => {
      const readAt = performance.now();
      const secret = await this.read();
      // A read that began later may have come back first.
      if (readAt < this.#readAt) return;
      this.#keys = (secret?.versions ?? []).map(({ version, key }) => this.find(version) ?? derive(version, key));
      this.#readAt = readAt;
    });
  }
}

/** Knowing how words are hashed must not help with rows, so each purpose has its own key (RFC 5869). */
function derive(version: number, secret: Buffer): SealingKey {
  const key = (purpose: string): Buffer => Buffer.from(hkdfSync("sha256", secret, Buffer.alloc(0), `bulkhead ${purpose}`, keyBytes));
  return { version, rows: key("rows"), terms: new TermForms(key("terms")) };
}
