// The client.

import { create, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { type Client as ServiceClient, Code, createClient, type Transport } from '@connectrpc/connect';

import { connect } from '#transport';

import { urlOf } from './address.js';
import { type BatchAnswer, type StreamOptions, Unanswered } from './batches.js';
import { type Key, RetryingTransport } from './calls.js';
import { event, type EventDetails, type Identifiers, identifyName, mostEvents, newId, type Values } from './events.js';
import { failure } from './errors.js';
import { KeyService } from './gen/happypath/access/v1/key_service_pb.js';
import { ActivationService } from './gen/happypath/activation/v1/activation_service_pb.js';
import { AuditService } from './gen/happypath/audit/v1/audit_service_pb.js';
import {
  type AppliedDefinition,
  type Definition,
  DefinitionSchema,
  DefinitionService,
} from './gen/happypath/definition/v1/definition_service_pb.js';
import { PartitionService } from './gen/happypath/engine/v1/partition_service_pb.js';
import { ChangeService } from './gen/happypath/gateway/v1/change_service_pb.js';
import { ExportService } from './gen/happypath/gateway/v1/export_service_pb.js';
import { IntakeService } from './gen/happypath/gateway/v1/intake_service_pb.js';
import { AccountService } from './gen/happypath/identity/v1/account_service_pb.js';
import { ErasureService } from './gen/happypath/identity/v1/erasure_service_pb.js';
import {
  type Event,
  IdentityService,
  IngestRequestSchema,
  type IngestResponse,
  type Lane,
  type ResolvedEvent,
} from './gen/happypath/identity/v1/identity_service_pb.js';
import { ResolutionService } from './gen/happypath/identity/v1/resolution_service_pb.js';
import { JourneyService } from './gen/happypath/journey/v1/journey_service_pb.js';
import { SegmentationService } from './gen/happypath/segmentation/v1/segmentation_service_pb.js';
import { type Retries, retriesOf } from './retries.js';
import { send, watch } from './streams.js';
import type { Connection, Protocol, TlsOptions } from './transport/settings.js';
import { type ChangeBatch, Watch, type WatchOptions } from './watching.js';

/** How a client calls. */
export interface ClientOptions {
  /** An API key or a token, or a function that returns one before each call. Absent where the service asks for none. */
  key?: Key;
  /** How long and how often calls are made again. */
  retries?: Partial<Retries>;
  /** The protocol: `grpc` in Node, `connect` in browsers unless said otherwise. */
  protocol?: Protocol;
  /** Certificates, in Node. */
  tls?: TlsOptions;
  /** A transport of Connect in place of all that, for tests and for other platforms. */
  transport?: Transport;
}

/** How a call is made. */
export interface CallOptions {
  /** Gives the call up. */
  signal?: AbortSignal;
  /** Milliseconds for all attempts together. */
  timeoutMs?: number;
}

/**
 * Talks to Happypath. Make one and keep it.
 *
 * The services are properties: `client.segmentation.getProfile({ … })`. Their calls with one answer are made again as
 * `retries` says, whatever they do: those that change something get a `requestId`. Calls that fail throw a HappypathError.
 */
export class Client {
  readonly account: ServiceClient<typeof AccountService>;
  readonly activation: ServiceClient<typeof ActivationService>;
  readonly audit: ServiceClient<typeof AuditService>;
  readonly change: ServiceClient<typeof ChangeService>;
  readonly definition: ServiceClient<typeof DefinitionService>;
  readonly erasure: ServiceClient<typeof ErasureService>;
  readonly export: ServiceClient<typeof ExportService>;
  readonly identity: ServiceClient<typeof IdentityService>;
  readonly intake: ServiceClient<typeof IntakeService>;
  readonly journey: ServiceClient<typeof JourneyService>;
  readonly key: ServiceClient<typeof KeyService>;
  readonly partition: ServiceClient<typeof PartitionService>;
  readonly resolution: ServiceClient<typeof ResolutionService>;
  readonly segmentation: ServiceClient<typeof SegmentationService>;
  readonly #connection: Connection;
  readonly #closed = new AbortController();
  readonly #retries: Retries;

  /** Takes `https://happypath.example`, `http://127.0.0.1:7400`, or `host:port`. Throws a TypeError for what is no address. */
  constructor(address: string, options: ClientOptions = {}) {
    const { key, protocol, tls, transport } = options;
    this.#retries = retriesOf(options.retries ?? {});
    this.#connection = transport
      ? { transport, streamsRequests: true, close: () => undefined }
      : connect({ url: urlOf(address), protocol, tls });
    const retrying = new RetryingTransport(this.#connection.transport, key, this.#retries, this.#closed.signal);
    this.account = createClient(AccountService, retrying);
    this.activation = createClient(ActivationService, retrying);
    this.audit = createClient(AuditService, retrying);
    this.change = createClient(ChangeService, retrying);
    this.definition = createClient(DefinitionService, retrying);
    this.erasure = createClient(ErasureService, retrying);
    this.export = createClient(ExportService, retrying);
    this.identity = createClient(IdentityService, retrying);
    this.intake = createClient(IntakeService, retrying);
    this.journey = createClient(JourneyService, retrying);
    this.key = createClient(KeyService, retrying);
    this.partition = createClient(PartitionService, retrying);
    this.resolution = createClient(ResolutionService, retrying);
    this.segmentation = createClient(SegmentationService, retrying);
  }

  /**
   * Tells that something happened to a customer, and returns the event as it was taken, with the customer that it belongs
   * to. Throws an InvalidRequestError where the event is wrong; after any other error it may have been taken all the same.
   */
  async track(
    name: string,
    identifiers: Identifiers,
    details: EventDetails = {},
    options: CallOptions = {},
  ): Promise<ResolvedEvent> {
    const { results } = await this.ingest([event(name, identifiers, details)], options);
    return results[0]!;
  }

  /** Tells what is known about a customer, and joins those whom the identifiers name. Returns and throws as `track`. */
  identify(
    identifiers: Identifiers,
    traits: Values = {},
    details: EventDetails = {},
    options: CallOptions = {},
  ): Promise<ResolvedEvent> {
    return this.track(identifyName, identifiers, { ...details, traits }, options);
  }

  /**
   * Sends up to 500 events in one call: those that were taken are in `results`, those that were refused in `rejected`.
   *
   * `requestId` names this call, to make it again later: the very same events are taken once. Throws an InvalidRequestError
   * where all events were refused, and a RangeError where there are none, or too many.
   */
  ingest(events: Iterable<Event>, options: CallOptions & { requestId?: string; lane?: Lane } = {}): Promise<IngestResponse> {
    const { requestId = newId(), lane = 1, ...call } = options;
    const request = create(IngestRequestSchema, { requestId, lane, events: [...events] });
    const count = request.events.length;
    if (count < 1 || count > mostEvents) {
      throw new RangeError(`events: ${count} are given, and a call takes 1 to ${mostEvents}: send more with ingestStream`);
    }
    return this.identity.ingest(request, call);
  }

  /**
   * Sends any number of events, and yields the answer to each batch: nothing is sent unless answers are read.
   *
   * Events are read as there is room, and may come slowly: a batch is sent when it is full, and 50 ms after its first event
   * at the latest. A stream that breaks is opened again: each event counts once, by its id, or by its sequence in a source.
   * Throws where the service refuses, or where nothing goes on for `retries.totalMs`. Not from browsers, which cannot stream
   * requests.
   */
  ingestStream(
    events: Iterable<Event> | AsyncIterable<Event>,
    options: StreamOptions = {},
  ): AsyncGenerator<BatchAnswer, void, undefined> {
    if (!this.#connection.streamsRequests) throw new TypeError('a browser cannot stream requests: send batches with ingest');
    const open = this.identity.ingestStream.bind(this.identity);
    const unanswered = new Unanswered(options);
    return send((requests, signal) => open(requests, { signal }), events, unanswered, this.#retries, options.signal);
  }

  /**
   * Creates or updates definitions, all or none, and returns what became of each. One is written as a YAML document has it:
   * `{ segment: { name: 'paying', expression: … } }`. Throws an InvalidRequestError whose `violations` list everything that
   * is wrong.
   */
  async apply(
    definitions: Iterable<Definition | JsonValue>,
    options: CallOptions & { validateOnly?: boolean; ifMatch?: string[] } = {},
  ): Promise<AppliedDefinition[]> {
    const { validateOnly = false, ifMatch = [], ...call } = options;
    const read = [...definitions].map((each) => (isDefinition(each) ? each : fromJson(DefinitionSchema, each)));
    const request = { requestId: newId(), definitions: read, validateOnly, ifMatch };
    return (await this.definition.applyDefinitions(request, call)).applied;
  }

  /**
   * Yields what changes for customers, until the caller stops. Comes back by itself after a break, without a gap and without
   * a repeat.
   *
   * Throws an OutOfRangeError where the position is older than what is kept: read the state of things anew, then begin
   * without one.
   */
  watchChanges(options: WatchOptions = {}): AsyncGenerator<ChangeBatch, void, undefined> {
    const state = new Watch(options);
    return watch((request, signal) => this.change.watchChanges(request, { signal }), state, this.#retries, options.signal);
  }

  /** Ends the connections, and the calls that are under way, which throw an error of code CANCELED. */
  close(): void {
    this.#closed.abort(failure(Code.Canceled, 'the client was closed'));
    this.#connection.close();
  }
}

function isDefinition(given: Definition | JsonValue): given is Definition {
  return typeof given === 'object' && given !== null && '$typeName' in given;
}
