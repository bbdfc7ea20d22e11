import { MongoServerError, type Collection } from "mongodb";
import { duplicateKey } from "./duplicate-key.js";

export interface LeaseDocument {
  _id: string;
  lease_owner: string;
  lease_until: Date;
}

/** Takes or keeps a lease by name. False while another holds it. It saves work and guards nothing: a holder that sleeps finds out late. */
export async function takeLease(leases: Collection<LeaseDocument>, name: string, owner: string, forMs: number): Promise<boolean> {
  const now = new Date();
  try {
    await leases.updateOne(
      { _id: name, $or: [{ lease_until: { $lt: now } }, { lease_owner: owner }] },
      { $set: { lease_owner: owner, lease_until: new Date(now.getTime() + forMs) } },
      { upsert: true, writeConcern: { w: "majority" } },
    );
    return true;
  } catch (error) {
    // It is there and somebody else's: the upsert has run into its id.
    if (error instanceof MongoServerError && error.code === duplicateKey) return false;
    throw error;
  }
}
