import type { Tier } from "../generated/operations.ts";

/** From the smallest to the largest. */
export const tiers: readonly Tier[] = ["FREE", "PRO", "ENTERPRISE"];
