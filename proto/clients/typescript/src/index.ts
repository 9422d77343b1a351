/**
 * Client of Happypath: events in, changes out, and every service, with types, retries and idempotency.
 *
 * Messages of the contracts are in `@happypath/client/gen/…`; `@happypath/client/webhooks` verifies what Happypath posts.
 *
 * @module
 */

export { Code } from '@connectrpc/connect';

export type { BatchAnswer, RefusedEvent, StreamOptions } from './batches.js';
export type { Key } from './calls.js';
export { type CallOptions, Client, type ClientOptions } from './client.js';
export {
  AlreadyExistsError,
  ContendedError,
  DeadlineExceededError,
  ExhaustedError,
  FailedPreconditionError,
  HappypathError,
  InvalidRequestError,
  NotFoundError,
  OutOfRangeError,
  PermissionDeniedError,
  UnauthenticatedError,
  UnavailableError,
  UnimplementedError,
  type Violation,
} from './errors.js';
export { event, type EventDetails, type Identifiers, type Values } from './events.js';
export type { Change } from './gen/happypath/gateway/v1/change_pb.js';
export { type Event, Lane, type ResolvedEvent } from './gen/happypath/identity/v1/identity_service_pb.js';
export type { Retries } from './retries.js';
export type { Protocol, TlsOptions } from './transport/settings.js';
export type { ChangeBatch, WatchOptions } from './watching.js';
