/** What `admission.bench.ts` and its worker say to each other. */
export interface AdmissionQuestion {
  readonly system: "bulkhead" | "rate-limiter-flexible";
  readonly calls: number;
}

/** Microseconds of CPU a call. */
export interface AdmissionCost {
  /** One request taken from the tenant's minute. */
  readonly request: number;
  /** Its tokens and its money held. */
  readonly reserve: number;
  /** What it did not use given back. */
  readonly settle: number;
}
