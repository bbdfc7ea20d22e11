import { CounterStoreFailed } from "./counter-store.js";

/**
 * The answer, or `CounterStoreFailed` after `msMax`: a socket that has fallen silent is noticed by
 * nothing else in time. What answers later has no reader.
 */
export function withinTimeout<Value>(answer: Promise<Value>, msMax: number): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new CounterStoreFailed(`No answer within ${msMax} ms`)), msMax);
    timer.unref();
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
