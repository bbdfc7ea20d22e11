/** Wall clock in milliseconds since the epoch. Passed in, so that tests can move time. */
export interface Clock {
  now(): number;
}

export const systemClock: Clock = Object.freeze({ now: () => Date.now() });
