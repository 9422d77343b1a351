// When a call is made again, and after how long.

import type { HappypathError } from './errors.js';

/**
 * How long and how often calls are made again. All calls are safe to repeat: those that change something carry a
 * `requestId`, which is the same in each attempt.
 */
export interface Retries {
  /**
   * Milliseconds for all attempts of a call together, where the call names no timeout of its own: 30,000. Of streams, those
   * without any progress.
   */
  readonly totalMs: number;
  /**
   * Milliseconds of one attempt to send events: 10,000, which is long for a call that takes milliseconds, and short for one
   * whose answer was lost. Attempts of other calls take what is left of `totalMs`.
   */
  readonly sendAttemptMs: number;
  /** Attempts at the most: 20; 1 for none but the first. */
  readonly attempts: number;
  /** Milliseconds before the second attempt, where the service does not say: 100. Each pause is twice as long as the last. */
  readonly firstPauseMs: number;
  /** Milliseconds of the longest of these pauses: 5,000. */
  readonly longestPauseMs: number;
}

export const defaultRetries: Retries = {
  totalMs: 30_000,
  sendAttemptMs: 10_000,
  attempts: 20,
  firstPauseMs: 100,
  longestPauseMs: 5_000,
};

/** How much longer than the service asks for a caller waits at the most, so that not all come back in one moment. */
const spread = 0.25;
/** Doublings after which any pause is the longest one. */
const mostDoublings = 30;

/** Returns a policy with the defaults where nothing is said. Throws a RangeError for one that is none. */
export function retriesOf(given: Partial<Retries>): Retries {
  const retries = { ...defaultRetries, ...given };
  if (!(
    retries.totalMs > 0 &&
    retries.sendAttemptMs > 0 &&
    retries.attempts >= 1 &&
    retries.firstPauseMs >= 0 &&
    retries.longestPauseMs >= 0
  )) {
    throw new RangeError('retries: totalMs and sendAttemptMs are above 0, attempts is at least 1, and pauses are not negative');
  }
  return retries;
}

/** The attempts of one call. */
export class Course {
  #failures = 0;
  #end = 0;

  constructor(
    private readonly retries: Retries,
    private readonly totalMs = retries.totalMs,
  ) {
    this.restart();
  }

  /** Begins anew, after progress. */
  restart(): void {
    this.#failures = 0;
    this.#end = performance.now() + this.totalMs;
  }

  /** Returns the milliseconds that the next attempt may take. */
  timeLeftMs(): number {
    return Math.max(this.#end - performance.now(), 0);
  }

  /** Returns the milliseconds to wait before another attempt; undefined where there is to be none. */
  pauseAfter(error: HappypathError): number | undefined {
    this.#failures += 1;
    if (!error.isRetryable || this.#failures >= this.retries.attempts) return undefined;
    const asked = error.retryAfterMs;
    const pause = asked === undefined ? this.ownPause() : asked * (1 + spread * Math.random());
    return pause < this.timeLeftMs() ? pause : undefined;
  }

  /** Returns a pause that grows with each failure in a row, the half of it by chance. */
  ownPause(): number {
    const doublings = Math.min(Math.max(this.#failures - 1, 0), mostDoublings);
    const longest = Math.min(this.retries.firstPauseMs * 2 ** doublings, this.retries.longestPauseMs);
    return longest * (0.5 + 0.5 * Math.random());
  }
}

/** Waits; rejects with the reason of the signal once that says so. */
export function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', end);
      resolve();
    }, ms);
    if (signal?.aborted) end();
    else signal?.addEventListener('abort', end, { once: true });
  });
}
