import { EngineError } from "../engine-error.js";

/** A refusal of `$vectorSearch` as Atlas words it: its search process's message within the aggregation's, code 8. */
export function searchError(message: string): EngineError {
  return new EngineError(8, "UnknownError", `PlanExecutor error during aggregation :: caused by :: ${message}`);
}
