import type { MongoClient } from "mongodb";
import type { Requirement } from "./spec-file.js";

export interface Deployment {
  version: string;
  topology: "single" | "replicaset" | "sharded";
}

export async function describeDeployment(client: MongoClient): Promise<Deployment> {
  const hello = await client.db("admin").command({ hello: 1 });
  const { version } = await client.db("admin").command({ buildInfo: 1 });
  const topology = hello["msg"] === "isdbgrid" ? "sharded" : hello["setName"] === undefined ? "single" : "replicaset";
  return { version: String(version), topology };
}

/** Why none of the requirements is met, or undefined when one is, or none was set. */
export function unmet(requirements: readonly Requirement[] | undefined, deployment: Deployment): string | undefined {
  if (requirements === undefined || requirements.length === 0) return undefined;
  const reasons = requirements.map((requirement) => unmetOne(requirement, deployment));
  return reasons.includes(undefined) ? undefined : reasons.join("; ");
}

function unmetOne(requirement: Requirement, { version, topology }: Deployment): string | undefined {
  const { minServerVersion, maxServerVersion, topologies } = requirement;
  if (minServerVersion !== undefined && compareVersions(version, minServerVersion) < 0) return `needs version ${minServerVersion} or later`;
  if (maxServerVersion !== undefined && compareVersions(version, maxServerVersion) > 0) return `needs version ${maxServerVersion} or earlier`;
  if (topologies !== undefined && !topologies.includes(topology)) return `needs topology ${topologies.join(" or ")}`;
  if (requirement.serverless === "require") return "needs serverless";
  if (requirement.auth === true) return "needs authentication";
  if (requirement.serverParameters !== undefined) return "needs server parameters";
  return undefined;
}

/** Only the parts the shorter one has: 8.0.4 meets a maximum of 8.0. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split("."), b.split(".")];
  for (let i = 0; i < Math.min(left.length, right.length); i += 1) {
    const difference = Number(left[i]) - Number(right[i]);
    if (difference !== 0) return difference;
  }
  return 0;
}
