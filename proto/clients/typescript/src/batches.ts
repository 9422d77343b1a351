// The batches of a stream of events: what is sent, what is answered, and what has to be sent again.

import { create } from '@bufbuild/protobuf';

import { newId } from './events.js';
import {
  type Event,
  type IngestStreamRequest,
  IngestStreamRequestSchema,
  type IngestStreamResponse,
  type Lane,
} from './gen/happypath/identity/v1/identity_service_pb.js';

/** Events in one message of a stream, as the contract has it. */
const mostEvents = 1_000;
/** Events in a message unless a caller says otherwise: few enough that none waits long for the others. */
const batchSize = 200;
/** Batches without an answer: enough that a service never waits for the next one, and little to send again. Services take 128. */
const windowSize = 16;
/** Milliseconds for which a batch that is not full waits for more events. */
const lingerMs = 50;

/** An event that was refused, with the first of its faults at least. */
export interface RefusedEvent {
  readonly event: Event;
  /** The field at fault, such as `name`; empty for the event as a whole. */
  readonly field: string;
  /** What is wrong, and what would be right. */
  readonly description: string;
}

/** What became of a batch of events. */
export interface BatchAnswer {
  /** The events, with the ids that they were sent with. */
  readonly events: readonly Event[];
  /** How many were taken, replays included. */
  readonly acceptedCount: number;
  /** How many of these were known already, and had no effect. */
  readonly replayedCount: number;
  /** Those that were refused. An event with several faults is there for each of them. */
  readonly refused: readonly RefusedEvent[];
  /** The position of those that were taken: a read that gets it as `after` shows them. */
  readonly position: string;
  /** The whole answer. */
  readonly response: IngestStreamResponse;
}

/** How a stream of events is sent. */
export interface StreamOptions {
  /** An ordered source, whose events have a `sequence` from 1: what was taken before is skipped, for ever. */
  source?: string;
  /** An import, in whatever order: events whose ids were taken before are skipped, for 30 days. */
  importName?: string;
  /** `Lane.BULK` for what may wait. */
  lane?: Lane;
  /** Events in a batch: 200. */
  batchSize?: number;
  /** Batches that may be without an answer: 16. */
  window?: number;
  /** Ends the stream. */
  signal?: AbortSignal;
}

/** The batches that were sent and not answered, oldest first. */
export class Unanswered {
  readonly batchSize: number;
  readonly #window: number;
  readonly #options: StreamOptions;
  #requests: IngestStreamRequest[] = [];

  /** Throws a RangeError where a number is out of its range, or both source and import are given. */
  constructor(options: StreamOptions) {
    this.#options = options;
    this.batchSize = options.batchSize ?? batchSize;
    this.#window = options.window ?? windowSize;
    if (!(this.batchSize >= 1 && this.batchSize <= mostEvents)) {
      throw new RangeError(`batchSize: is ${this.batchSize}, expected 1 to ${mostEvents}`);
    }
    if (!(this.#window >= 1)) throw new RangeError(`window: is ${this.#window}, expected 1 or more`);
    if (options.source && options.importName) {
      throw new RangeError('source, importName: give one of them: a source is ordered by sequences, an import known by ids');
    }
  }

  /** The messages, oldest first. */
  get requests(): readonly IngestStreamRequest[] {
    return this.#requests;
  }

  /** True where one more batch may be sent. */
  get hasRoom(): boolean {
    return this.#requests.length < this.#window;
  }

  /**
   * Takes a batch that is about to be sent, and returns its message. An event that nothing names gets an id, so that it
   * counts once however often it is sent. Throws a RangeError where an event of a source has no sequence.
   */
  add(events: readonly Event[]): IngestStreamRequest {
    const { source = '', importName = '', lane = 1 } = this.#options;
    const nameless = events.find((each) => source && !each.sequence);
    if (nameless) throw new RangeError(`sequence: event ${nameless.name} has none: number the events of source ${source} from 1`);
    const request = create(IngestStreamRequestSchema, { source, import: importName, lane });
    request.events = events.map((each) => (each.eventId ? each : { ...each, eventId: newId() }));
    this.#requests.push(request);
    return request;
  }

  /** Takes the answer to the oldest batch. */
  take(response: IngestStreamResponse): BatchAnswer {
    const events = this.#requests.shift()?.events ?? [];
    const { acceptedCount, replayedCount, position, refusal } = response;
    const faults = refusal
      ? events.map((_, index) => ({ index, field: '', description: refusal }))
      : response.rejected.filter(({ index }) => index < events.length);
    const refused = faults.map(({ index, field, description }) => ({ event: events[index]!, field, description }));
    return { events, acceptedCount, replayedCount, refused, position, response };
  }
}

/** Collects events into batches, while its caller does something else. */
export class Batches {
  readonly #iterator: Iterator<Event> | AsyncIterator<Event>;
  readonly #isPrompt: boolean;
  #next: Promise<IteratorResult<Event>> | undefined;
  #pulling: Promise<readonly Event[]> | undefined;
  #hasEnded = false;

  constructor(
    events: Iterable<Event> | AsyncIterable<Event>,
    private readonly size: number,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.#isPrompt = !(Symbol.asyncIterator in events);
    this.#iterator = Symbol.asyncIterator in events ? events[Symbol.asyncIterator]() : events[Symbol.iterator]();
  }

  /** True where there are no more. */
  get isOver(): boolean {
    return this.#hasEnded && !this.#pulling;
  }

  /** Returns the next batch, an empty one at the end: the same one until it is taken. */
  pull(): Promise<readonly Event[]> | undefined {
    if (!this.#pulling && !this.#hasEnded) {
      this.#pulling = this.#until(this.#collect());
      this.#pulling.catch(() => undefined);
    }
    return this.#pulling;
  }

  /** Says that the batch was taken. */
  taken(): void {
    this.#pulling = undefined;
  }

  /** Reads no more. */
  stop(): void {
    if (!this.#hasEnded) void Promise.resolve(this.#iterator.return?.()).catch(() => undefined);
  }

  async #collect(): Promise<readonly Event[]> {
    const batch: Event[] = [];
    let late: Promise<undefined> | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    while (batch.length < this.size) {
      this.#next ??= Promise.resolve(this.#iterator.next());
      const result = late ? await Promise.race([this.#next, late]) : await this.#next;
      if (!result) break;
      this.#next = undefined;
      if (result.done) {
        this.#hasEnded = true;
        break;
      }
      batch.push(result.value);
      if (!this.#isPrompt) {
        late ??= new Promise((resolve) => {
          timer = setTimeout(() => resolve(undefined), lingerMs);
        });
      }
    }
    clearTimeout(timer);
    return batch;
  }

  /** Waits for a promise, or for the signal. */
  #until<T>(promise: Promise<T>): Promise<T> {
    const { signal } = this;
    if (!signal) return promise;
    return new Promise((resolve, reject) => {
      const end = (): void => reject(signal.reason);
      signal.addEventListener('abort', end, { once: true });
      promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', end));
    });
  }
}
