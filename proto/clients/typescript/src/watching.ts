// Where a watch of changes is: what it asks for when it comes back, and what it makes of the answers.

import { create } from '@bufbuild/protobuf';

import { type Change, type ChangeFilter, ChangeFilterSchema, ChangeKind } from './gen/happypath/gateway/v1/change_pb.js';
import {
  type WatchChangesRequest,
  WatchChangesRequestSchema,
  type WatchChangesResponse,
} from './gen/happypath/gateway/v1/change_service_pb.js';

/** Milliseconds without a message after which a stream is taken for dead. The service says something every ten seconds. */
export const silenceMs = 35_000;

const kinds = {
  membership: ChangeKind.MEMBERSHIP,
  transition: ChangeKind.TRANSITION,
  position: ChangeKind.POSITION,
  activation: ChangeKind.ACTIVATION,
  merge: ChangeKind.MERGE,
} as const;

/** Changes, and the position behind them. */
export interface ChangeBatch {
  /** The changes, in order; none where only time went on. */
  readonly changes: readonly Change[];
  /**
   * Keep it once the changes are dealt with, also where there are none: whoever comes back with it misses nothing and gets
   * nothing twice.
   */
  readonly position: string;
}

/** From where to watch, and which changes. */
export interface WatchOptions {
  /** The position of the batch that was dealt with last. Absent or empty: from now on. */
  position?: string;
  /** True to begin with the oldest change that is kept. */
  fromStart?: boolean;
  /** Which kinds. Absent: all. */
  kinds?: readonly (keyof typeof kinds)[];
  /** Of memberships, those of these segments. */
  segments?: readonly string[];
  /** Of transitions and activations, those of these journeys. */
  journeys?: readonly string[];
  /** Of positions, those in these maps. */
  journeyMaps?: readonly string[];
  /** Of activations, those through these channels. */
  channels?: readonly string[];
  /** Those of these customers. */
  customerIds?: readonly string[];
  /** Changes in a batch at the most. Absent: 1,000. */
  maxChanges?: number;
  /** Ends the watch. */
  signal?: AbortSignal;
}

/** A watch that can be taken up again. */
export class Watch {
  #position: string;
  readonly #fromStart: boolean;
  readonly #filter: ChangeFilter;
  readonly #maxChanges: number;

  /** Throws a RangeError where there is no such kind, or both a position and the start are asked for. */
  constructor(options: WatchOptions) {
    this.#position = options.position ?? '';
    this.#fromStart = options.fromStart ?? false;
    if (this.#position && this.#fromStart) throw new RangeError('position, fromStart: give one of them');
    this.#maxChanges = options.maxChanges ?? 0;
    const { segments = [], journeys = [], journeyMaps = [], channels = [], customerIds = [] } = options;
    this.#filter = create(ChangeFilterSchema, {
      kinds: (options.kinds ?? []).map(kindOf),
      segments: [...segments],
      journeys: [...journeys],
      journeyMaps: [...journeyMaps],
      channels: [...channels],
      customerIds: [...customerIds],
    });
  }

  /** Returns the request that goes on where this is. */
  request(): WatchChangesRequest {
    return create(WatchChangesRequestSchema, {
      position: this.#position,
      fromStart: this.#fromStart && !this.#position,
      filter: this.#filter,
      maxChanges: this.#maxChanges,
    });
  }

  /** Takes an answer, and moves behind it. */
  take(answer: WatchChangesResponse): ChangeBatch {
    this.#position = answer.position || this.#position;
    return { changes: answer.changes, position: this.#position };
  }
}

function kindOf(name: keyof typeof kinds): ChangeKind {
  const kind = kinds[name];
  if (kind === undefined) throw new RangeError(`kinds: there is no ${name}: choose from ${Object.keys(kinds).join(', ')}`);
  return kind;
}
