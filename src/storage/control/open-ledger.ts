import type { Db } from "mongodb";
import { translatingMethods } from "../driver-errors.js";
import type { ControlPlane, MarkerStore } from "./control-plane.js";
import { HourClaims } from "./hour-claims.js";
import type { LeaseDocument } from "./lease.js";
import { LedgerWriter } from "./ledger-writer.js";
import { MongoTenantLedger } from "./tenant-ledger.js";
import type { HourDocument, RollupDocument, UsageDocument } from "./usage-documents.js";
import { MongoUsageByHour } from "./usage-by-hour.js";
import { MongoUsageCorrections } from "./usage-corrections.js";
import { MongoUsageListing } from "./usage-listing.js";
import { MongoUsageRollups } from "./usage-rollups.js";
import { UsageSums } from "./usage-sums.js";

/** The usage ledger with its projections: one writer and one set of claims a server. */
export function openLedger(db: Db, markers: MarkerStore): Pick<ControlPlane, "ledgerOf" | "usageRowsOf" | "usageByHour" | "rollups" | "corrections"> {
  const usage = db.collection<UsageDocument>("usage");
  const rollupRows = db.collection<RollupDocument>("usage_rollups");
  const hours = db.collection<HourDocument>("usage_hours");
  const claims = new HourClaims(hours);
  const writer = new LedgerWriter(usage, claims);
  const rollups = new MongoUsageRollups({ usage, rollups: rollupRows, hours, leases: db.collection<LeaseDocument>("leases") }, claims, markers);
  const sums = new UsageSums(usage, rollupRows, hours, onceTrue(() => rollups.isReady()));
  return {
    ledgerOf: (context) => translatingMethods(new MongoTenantLedger(context.tenantId, sums, writer)),
    usageRowsOf: (context) => translatingMethods(new MongoUsageListing(context.tenantId, usage)),
    usageByHour: translatingMethods(new MongoUsageByHour(usage, rollupRows, hours)),
    rollups: translatingMethods(rollups),
    corrections: translatingMethods(new MongoUsageCorrections(usage, claims)),
  };
}

/** What has become true stays true: it is not asked again. */
function onceTrue(ask: () => Promise<boolean>): () => Promise<boolean> {
  let known = false;
  return async () => (known ||= await ask());
}
