import type { RowSealer } from "../row-sealer.js";
import { KeysWanting } from "./keys-wanting.js";
import { SiloSealer } from "./silo-sealer.js";

/** Resolves when rows may be sealed. Undefined, at once and for nothing, for rows in the clear and for keys that are fresh. Throws `SERVICE_UNAVAILABLE`. */
export function sealerReady(sealer: RowSealer): Promise<void> | undefined {
  return sealer instanceof SiloSealer ? sealer.ready() : undefined;
}

/**
 * Runs work that opens rows; runs it again once with the vault's present keys when a row asks for
 * them. Again as a whole, because meanwhile a row may have been sealed anew and its key destroyed.
 */
export async function withKeys<Value>(sealer: RowSealer, work: () => Promise<Value>): Promise<Value> {
  if (!(sealer instanceof SiloSealer)) return work();
  await sealer.ready();
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof KeysWanting)) throw error;
    await error.learn();
  }
  try {
    return await work();
  } catch (error) {
    throw error instanceof KeysWanting ? error.refusal() : error;
  }
}
