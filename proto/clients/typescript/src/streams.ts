// Streams that are opened again when they break: events in, changes out.

import { Code } from '@connectrpc/connect';

import { type BatchAnswer, Batches, type Unanswered } from './batches.js';
import { failure, HappypathError } from './errors.js';
import type { WatchChangesRequest, WatchChangesResponse } from './gen/happypath/gateway/v1/change_service_pb.js';
import type { Event, IngestStreamRequest, IngestStreamResponse } from './gen/happypath/identity/v1/identity_service_pb.js';
import { Course, type Retries, wait } from './retries.js';
import { type ChangeBatch, silenceMs, type Watch } from './watching.js';

type OpenIngest = (requests: AsyncIterable<IngestStreamRequest>, signal: AbortSignal) => AsyncIterable<IngestStreamResponse>;
type OpenWatch = (request: WatchChangesRequest, signal: AbortSignal) => AsyncIterable<WatchChangesResponse>;

/**
 * Sends events, and yields the answer to each batch, in order. Events are read as there is room, while answers are awaited.
 * After a break, everything without an answer is sent again.
 */
export async function* send(
  open: OpenIngest,
  events: Iterable<Event> | AsyncIterable<Event>,
  unanswered: Unanswered,
  retries: Retries,
  signal: AbortSignal | undefined,
): AsyncGenerator<BatchAnswer, void, undefined> {
  const batches = new Batches(events, unanswered.batchSize, signal);
  const course = new Course(retries);
  let stream: IngestCall | undefined;
  try {
    for (;;) {
      try {
        const pulling = unanswered.hasRoom ? batches.pull() : undefined;
        if (unanswered.requests.length) stream ??= new IngestCall(open, unanswered.requests, signal);
        else if (batches.isOver) return;
        const reading = unanswered.requests.length ? stream?.read() : undefined;
        const first = await either(reading, pulling);
        if ('batch' in first) {
          batches.taken();
          if (first.batch.length) {
            const request = unanswered.add(first.batch);
            stream?.write(request);
          }
        } else {
          course.restart();
          yield unanswered.take(first.answer);
        }
      } catch (thrown) {
        stream?.end();
        stream = undefined;
        await pause(course, thrown, signal);
      }
    }
  } finally {
    stream?.end();
    batches.stop();
  }
}

/** Yields changes until the caller stops. Comes back after each break, and after `silentMs` without a message. */
export async function* watch(
  open: OpenWatch,
  state: Watch,
  retries: Retries,
  signal: AbortSignal | undefined,
  silentMs = silenceMs,
): AsyncGenerator<ChangeBatch, void, undefined> {
  const course = new Course(retries);
  for (;;) {
    const controller = new AbortController();
    let isSilent = false;
    try {
      const answers = open(state.request(), joined(controller.signal, signal))[Symbol.asyncIterator]();
      for (;;) {
        const timer = setTimeout(() => {
          isSilent = true;
          controller.abort();
        }, silentMs);
        const result = await answers.next().finally(() => clearTimeout(timer));
        if (result.done) throw ended();
        course.restart();
        yield state.take(result.value);
      }
    } catch (thrown) {
      signal?.throwIfAborted();
      const error = isSilent ? ended() : thrown;
      if (!(error instanceof HappypathError) || !error.isRetryable) throw error;
      // A consumer goes on for as long as it runs: what may pass is waited for.
      await wait(course.pauseAfter(error) ?? Math.max(course.ownPause(), error.retryAfterMs ?? 0), signal);
    } finally {
      controller.abort();
    }
  }
}

/** One stream of events. */
class IngestCall {
  readonly #controller = new AbortController();
  readonly #answers: AsyncIterator<IngestStreamResponse>;
  readonly #requests: IngestStreamRequest[];
  #wake: (() => void) | undefined;
  #isOver = false;
  #reading: Promise<{ answer: IngestStreamResponse }> | undefined;

  constructor(open: OpenIngest, requests: readonly IngestStreamRequest[], signal: AbortSignal | undefined) {
    this.#requests = [...requests];
    this.#answers = open(this.#outgoing(), joined(this.#controller.signal, signal))[Symbol.asyncIterator]();
  }

  /** Sends a request. */
  write(request: IngestStreamRequest): void {
    this.#requests.push(request);
    this.#wake?.();
  }

  /** Returns the next answer: the same one until it is there. */
  read(): Promise<{ answer: IngestStreamResponse }> {
    this.#reading ??= this.#answers.next().then(({ done, value }) => {
      this.#reading = undefined;
      if (done) throw ended();
      return { answer: value };
    });
    this.#reading.catch(() => undefined);
    return this.#reading;
  }

  /** Ends it, whatever is under way. */
  end(): void {
    this.#isOver = true;
    this.#wake?.();
    this.#controller.abort();
  }

  async *#outgoing(): AsyncGenerator<IngestStreamRequest> {
    while (!this.#isOver) {
      const request = this.#requests.shift();
      if (request) {
        yield request;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

/** Waits for the first of an answer and a batch. */
function either(
  reading: Promise<{ answer: IngestStreamResponse }> | undefined,
  pulling: Promise<readonly Event[]> | undefined,
): Promise<{ answer: IngestStreamResponse } | { batch: readonly Event[] }> {
  const batch = pulling?.then((events) => ({ batch: events }));
  return Promise.race([reading, batch].filter((each) => each !== undefined));
}

/** Waits before another attempt, or throws where there is to be none. */
async function pause(course: Course, thrown: unknown, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  const ms = thrown instanceof HappypathError ? course.pauseAfter(thrown) : undefined;
  if (ms === undefined) throw thrown;
  await wait(ms, signal);
}

function ended(): HappypathError {
  return failure(Code.Unavailable, 'the stream ended');
}

function joined(own: AbortSignal, other: AbortSignal | undefined): AbortSignal {
  return other ? AbortSignal.any([own, other]) : own;
}
