// The transition that every system makes, and how one run of it is measured.
//
// A transition reads the state of a key, writes one of 300 bytes, sets a timer of an hour, and sends
// a message of 120 bytes to a receiver that does nothing with it. It is done once that has it.
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

export const KEYS = 20_000;
export const STATE = "s".repeat(300);
export const MESSAGE = "m".repeat(120);
export const TIMER_MS = 3_600_000;
const IN_FLIGHT = 128;
/** The time that a run may take: some ten times as long as on two slow cores. */
const LIMIT_MS = 600_000;
/** Clock ticks in a second that Linux shows to programs, on every machine. */
const TICKS = 100;

/** Returns a port that nobody listens on now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Waits until an attempt succeeds; the last failure is thrown once the attempts are used up. */
export async function until(attempt, attempts = 150) {
  for (let left = attempts; ; left -= 1) {
    try {
      return await attempt();
    } catch (error) {
      if (left <= 1) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/** Ends this process with what it started, also where it is told to end or takes far too long. */
export function atEnd(clean) {
  const late = () => {
    console.error(`not done after ${LIMIT_MS / 60_000} minutes`);
    process.exit(1);
  };
  setTimeout(late, LIMIT_MS).unref();
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
  process.once("exit", clean);
}

let untold = 0;

/** Tells the process that measures of one more message; those of one moment are told together. */
export function tell() {
  untold += 1;
  if (untold > 1) return;
  setImmediate(() => {
    process.send(untold);
    untold = 0;
  });
}

/** Counts what a receiver gets. `all(count)` resolves once it has so many since the last call. */
export class Received {
  #count = 0;
  #wanted = Infinity;
  #resolve = () => {};

  add(count) {
    this.#count += count;
    if (this.#count >= this.#wanted) this.#resolve();
  }

  all(wanted) {
    return new Promise((resolve) => {
      this.#wanted = wanted;
      this.#resolve = () => {
        this.#count -= wanted;
        this.#wanted = Infinity;
        resolve();
      };
      this.add(0);
    });
  }
}

/**
 * Moves every key once so that each has a state, then once more, which is measured. `move(key)`
 * resolves with the acknowledgement, `received` counts messages, `processes` are those of the system.
 * Prints one line of JSON.
 */
export async function measure({ system, durability, processes, move, received }) {
  await moveAll(move, received);
  const [started, before] = [performance.now(), used(processes)];
  const times = await moveAll(move, received);
  const seconds = (performance.now() - started) / 1e3;
  const us = ((used(processes) - before) * 1e6) / KEYS;
  times.sort((one, other) => one - other);
  const quantile = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
  console.log(
    JSON.stringify({
      system,
      durability,
      per_s: KEYS / seconds,
      us: us > 0 ? us : null,
      p50_ms: quantile(0.5),
      p99_ms: quantile(0.99),
    }),
  );
}

async function moveAll(move, received) {
  const times = [];
  let next = 0;
  const sender = async () => {
    while (next < KEYS) {
      const key = `customer-${next++}`;
      const sent = performance.now();
      await move(key);
      times.push(performance.now() - sent);
    }
  };
  const all = received.all(KEYS);
  await Promise.all(Array.from({ length: IN_FLIGHT }, sender));
  await all;
  return times;
}

/** Seconds of processor time that processes have used, from proc(5); 0 where there is none. */
function used(processes) {
  const ticks = processes.map((process) => {
    try {
      const text = readFileSync(`/proc/${process}/stat`, "utf8");
      // The name of the program stands before, and may hold anything.
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      return Number(fields[11]) + Number(fields[12]);
    } catch {
      return 0;
    }
  });
  return ticks.reduce((sum, one) => sum + one, 0) / TICKS;
}
