import type { Db, Document } from "mongodb";
import { translating } from "../driver-errors.js";

const placesOfASilo = ["placement.home", "placement.to", "placement.from"];

/** How many tenants have, or are moving into, a silo on each named cluster. Reads the directory. */
export async function countSilos(control: Db): Promise<ReadonlyMap<string, number>> {
  const rows = await translating(() =>
    control
      .collection("tenants")
      .aggregate([
        { $match: { state: { $ne: "ERASED" }, $or: [{ "placement.home.kind": "SILO" }, { "placement.to.kind": "SILO" }] } },
        { $group: { _id: { $ifNull: ["$placement.home.cluster", "$placement.to.cluster"] }, silos: { $sum: 1 } } },
      ])
      .toArray(),
  );
  return new Map(rows.filter((row) => typeof row["_id"] === "string").map((row) => [String(row["_id"]), Number(row["silos"])]));
}

/** Tenants with a silo on a cluster that is not among `names`: at most `limit`, for a line in the log. */
export async function strandedTenants(control: Db, names: readonly string[], limit: number): Promise<readonly string[]> {
  const elsewhere = placesOfASilo.map((place) => ({ [`${place}.cluster`]: { $exists: true, $nin: [...names] } }));
  const rows = await translating<Document[]>(() =>
    control.collection("tenants").find({ state: { $ne: "ERASED" }, $or: elsewhere }, { projection: { _id: 1 } }).sort({ _id: 1 }).limit(limit).toArray(),
  );
  return rows.map((row) => String(row["_id"]));
}
