import type { HeatmapMeasure } from "../generated/operations.ts";
import { formatCompact, formatMicroUsd, formatMs } from "../ui/format.ts";

/** A value of a heatmap with its unit, short. */
export function formatMeasure(measure: HeatmapMeasure, unit: string, value: number): string {
  if (measure === "COST") return formatMicroUsd(value);
  if (measure === "LATENCY_P95" || measure === "QUEUE_WAIT") return formatMs(value);
  return `${formatCompact(value)} ${unit}`;
}

/** Shades of a cell, after "nothing happened". */
export const shades = 6;

/** By the square root: one tenant far above the rest would otherwise leave all others in the palest shade. */
export function shadeOf(value: number, max: number): number {
  if (max <= 0 || value <= 0) return 0;
  return Math.min(shades, Math.max(1, Math.ceil(Math.sqrt(value / max) * shades)));
}
