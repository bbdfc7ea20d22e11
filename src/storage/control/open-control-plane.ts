import type { Db, MongoClient } from "mongodb";
import { serviceUnavailable } from "../../kernel/errors.js";
import { translatingMethods } from "../driver-errors.js";
import type { ControlPlane } from "./control-plane.js";
import { MongoDirectoryStore, type TenantDocument } from "./directory-store.js";
import { MongoErasureStore, type ErasureDocument } from "./erasure-store.js";
import { MongoKeyVault } from "./key-vault.js";
import { LedgerWriter } from "./ledger-writer.js";
import { MongoMarkerStore, type MarkerDocument } from "./marker-store.js";
import { MongoMoveStore, type MoveDocument } from "./move-store.js";
import { MongoTenantLedger, type UsageDocument } from "./tenant-ledger.js";
import { secretsOf } from "./unlock-vault.js";
import type { WrappingKeys } from "./wrapped-key.js";
import { MongoTenantTraces } from "./tenant-traces.js";

/** Opens the control plane on a database whose collections are declared and whose vault is unlocked already. */
export function openControlPlane(client: MongoClient, db: Db, wrapping: WrappingKeys): ControlPlane {
  const usage = db.collection<UsageDocument>("usage");
  const writer = new LedgerWriter(usage);
  return {
    directory: translatingMethods(new MongoDirectoryStore(db.collection<TenantDocument>("tenants"))),
    moves: translatingMethods(new MongoMoveStore(db.collection<MoveDocument>("placement_moves"))),
    markers: translatingMethods(new MongoMarkerStore(db.collection<MarkerDocument>("markers"))),
    erasures: translatingMethods(new MongoErasureStore(db.collection<ErasureDocument>("erasures"))),
    traces: translatingMethods(new MongoTenantTraces(db.collection("placement_moves"), db.collection("usage"))),
    vault: translatingMethods(new MongoKeyVault(secretsOf(db), wrapping)),
    ledgerOf: (context) => translatingMethods(new MongoTenantLedger(context.tenantId, usage, writer)),
    limiterStore: { client, database: db.databaseName },
    ping: async (timeoutMs) => {
      try {
        await db.command({ ping: 1 }, { timeoutMS: timeoutMs });
      } catch (error) {
        throw serviceUnavailable("The database does not answer", timeoutMs, error);
      }
    },
  };
}
