import type { Db, MongoClient } from "mongodb";
import { serviceUnavailable } from "../../kernel/errors.js";
import { translatingMethods } from "../driver-errors.js";
import type { ControlPlane } from "./control-plane.js";
import { MongoDirectoryStore, type TenantDocument } from "./directory-store.js";
import { MongoErasureStore, type ErasureDocument } from "./erasure-store.js";
import { MongoIsolationReportStore, type IsolationReportDocument } from "./isolation-report-store.js";
import { MongoKeyVault } from "./key-vault.js";
import { MongoMarkerStore, type MarkerDocument } from "./marker-store.js";
import { MongoMoveStore, type MoveDocument } from "./move-store.js";
import { openLedger } from "./open-ledger.js";
import { MongoPoolShareStore, type PoolShareDocument } from "./pool-share-store.js";
import { MongoSpendingStore, type SpendingDocument } from "./spending-store.js";
import { secretsOf } from "./unlock-vault.js";
import type { WrappingKeys } from "./wrapped-key.js";
import { MongoTenantTraces } from "./tenant-traces.js";
import { MongoTimingStore, type TimingDocument } from "./timing-store.js";

/** Opens the control plane on a database whose collections are declared and whose vault is unlocked already. */
export function openControlPlane(client: MongoClient, db: Db, wrapping: WrappingKeys): ControlPlane {
  const timings = db.collection<TimingDocument>("request_timings");
  const markers = translatingMethods(new MongoMarkerStore(db.collection<MarkerDocument>("markers")));
  return {
    directory: translatingMethods(new MongoDirectoryStore(db.collection<TenantDocument>("tenants"))),
    moves: translatingMethods(new MongoMoveStore(db.collection<MoveDocument>("placement_moves"))),
    markers,
    erasures: translatingMethods(new MongoErasureStore(db.collection<ErasureDocument>("erasures"))),
    traces: translatingMethods(new MongoTenantTraces(db.collection("placement_moves"), db.collection("usage"), timings)),
    vault: translatingMethods(new MongoKeyVault(secretsOf(db), wrapping)),
    ...openLedger(db, markers),
    spending: translatingMethods(new MongoSpendingStore(db.collection<SpendingDocument>("spending"))),
    poolShares: translatingMethods(new MongoPoolShareStore(db.collection<PoolShareDocument>("pool_shares"))),
    isolationReports: translatingMethods(new MongoIsolationReportStore(db.collection<IsolationReportDocument>("isolation_reports"))),
    timings: translatingMethods(new MongoTimingStore(timings, db.collection<{ _id: string }>("erasures"))),
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
