import { RateLimiterMongo } from "rate-limiter-flexible";
import type { CounterStore } from "./counter-store.js";
import { LimiterCounterStore, unreachablePoints } from "./limiter-counter-store.js";

/** Name of the collection, which also holds the library's unique and TTL indexes. */
const collection = "limits";

/**
 * Counters in the control plane's database, shared by every server of the deployment. Creates the
 * collection's indexes first: without the unique one, two first takes would count apart. Rejects
 * when they cannot be created.
 */
export async function openMongoCounterStore(store: { readonly client: unknown; readonly database: string }): Promise<CounterStore> {
  const limiter = new RateLimiterMongo({
    storeClient: store.client,
    dbName: store.database,
    tableName: collection,
    points: unreachablePoints,
    duration: 60,
    keyPrefix: "",
    // The library would create them unawaited and print a failure to the console.
    disableIndexesCreation: true,
  });
  await limiter.createIndexes();
  // The client belongs to the control plane, which closes it.
  return new LimiterCounterStore(limiter, async () => {});
}
