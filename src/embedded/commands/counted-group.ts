/*
 * Recognises a stage that counts documents without looking at them, as drivers' `countDocuments` sends it.
 * Before it: aggregate.ts; after it: engine/count-documents.ts.
 */
import { Int32, Long } from "bson";
import { isDoc, isNumber } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";

/** What the stage yields for so many documents: `$count`, or a `$group` of all into `{ $sum: 1 }` and `{ $count: {} }`. Undefined for any other stage. */
export function countingStage(stage: Doc | undefined): ((count: number) => Doc[]) | undefined {
  if (!stage || Object.keys(stage).length !== 1) return undefined;
  const name = stage["$count"];
  if (typeof name === "string") return (count) => (count === 0 ? [] : [{ [name]: numberOf(count) }]);
  const group = stage["$group"];
  if (!isDoc(group) || !("_id" in group)) return undefined;
  const { _id: id, ...outputs } = group;
  if (!(id === null || isNumber(id)) || !Object.values(outputs).every(isTally)) return undefined;
  return (count) => (count === 0 ? [] : [{ _id: id, ...Object.fromEntries(Object.keys(outputs).map((output) => [output, numberOf(count)])) }]);
}

function isTally(output: unknown): boolean {
  if (!isDoc(output)) return false;
  const [[operator, operand] = ["", undefined], ...more] = Object.entries(output);
  if (more.length > 0) return false;
  if (operator === "$count") return isDoc(operand) && Object.keys(operand).length === 0;
  // A sum of doubles is a double.
  return operator === "$sum" && operand instanceof Int32 && operand.value === 1;
}

function numberOf(count: number): Int32 | Long {
  return count <= 0x7fff_ffff ? new Int32(count) : Long.fromNumber(count);
}
