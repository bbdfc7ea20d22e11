import { Worker, type ResourceLimits } from "node:worker_threads";

export interface WorkerOptions {
  /** Shown in stack traces and process listings. */
  readonly name: string;
  readonly data?: unknown;
  readonly limits?: ResourceLimits;
}

/**
 * Starts the module `file` (without extension) that lies beside `importerUrl`. Compiled, it is plain
 * JavaScript; from the sources Node needs tsx, and `--import tsx` in `execArgv` does not reach the
 * worker's loader on Node 20, so a bootstrap registers it there before it loads the module.
 */
export function startWorker(importerUrl: string, file: string, options: WorkerOptions): Worker {
  const fromSources = importerUrl.endsWith(".ts");
  const target = new URL(`${file}.${fromSources ? "ts" : "js"}`, importerUrl);
  const shared = { name: options.name, workerData: options.data, execArgv: [], ...(options.limits === undefined ? {} : { resourceLimits: options.limits }) };
  if (!fromSources) return new Worker(target, shared);
  const bootstrap = `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(target.href)}); });`;
  return new Worker(bootstrap, { ...shared, eval: true });
}
