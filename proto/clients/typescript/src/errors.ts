// Errors of calls, with what the services tell of them: reason, remedy, faults of fields, and when to try again.

import { Code, ConnectError } from '@connectrpc/connect';

import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from './gen/google/rpc/error_details_pb.js';
import { remedies } from './gen/reasons.js';

/** The domain of the reasons of the services. */
const domain = 'happypath.dev';
/** What helps where no service gave a reason. */
const codeRemedies: Partial<Record<Code, string>> = {
  [Code.Unavailable]: 'Check that the service runs at this address, and whether it wants TLS.',
  [Code.Unimplemented]: 'The process at this address does not run that service: check the address.',
  [Code.DeadlineExceeded]: 'Try again, and allow more time.',
};

/** One fault of a request. */
export interface Violation {
  /** The path of the field, such as `events[0].name`; empty for the whole request. */
  readonly field: string;
  /** What is wrong, and what would be right. */
  readonly description: string;
}

/** A call that failed. */
export class HappypathError extends Error {
  /** What went wrong, without reason and remedy. */
  readonly rawMessage: string;
  /** The reason in UPPER_SNAKE, such as `CUSTOMER_NOT_FOUND`; empty where no service gave one. */
  readonly reason: string;
  /** What the caller can do about it; empty where nobody can tell. */
  readonly remedy: string;
  /** The faults of single fields. */
  readonly violations: readonly Violation[];
  /** How many faults are not listed. */
  readonly moreViolations: number;
  /** Milliseconds after which another attempt may work; undefined where the service did not say. */
  readonly retryAfterMs: number | undefined;

  constructor(
    /** The status of the call. */
    readonly code: Code,
    message: string,
    told: Told = {},
    cause?: unknown,
  ) {
    const reason = told.reason ?? '';
    const remedy = remedies[reason] ?? codeRemedies[code] ?? '';
    super(forPeople(reason || nameOf(code), message, told, remedy), { cause });
    this.name = new.target.name;
    this.rawMessage = message;
    this.reason = reason;
    this.remedy = remedy;
    this.violations = told.violations ?? [];
    this.moreViolations = told.moreViolations ?? 0;
    this.retryAfterMs = told.retryAfterMs;
  }

  /** True where the same request may work after a while. */
  get isRetryable(): boolean {
    switch (this.code) {
      case Code.Unavailable:
      case Code.DeadlineExceeded:
        return true;
      case Code.Aborted:
        return this.reason !== 'ETAG_MISMATCH';
      case Code.ResourceExhausted:
        // Without a word of the service it is a message that is too large for this client.
        return this.reason !== '' || this.retryAfterMs !== undefined;
      case Code.Internal:
      case Code.Unknown:
        // What a connection does that is cut; a service that fails gives a reason.
        return this.reason === '';
      default:
        return false;
    }
  }
}

/** The request breaks a rule: correct what `violations` list. */
export class InvalidRequestError extends HappypathError {}
/** It is not there. */
export class NotFoundError extends HappypathError {}
/** There is another one with that name. */
export class AlreadyExistsError extends HappypathError {}
/** The system is not in a state for it. */
export class FailedPreconditionError extends HappypathError {}
/** The key is missing, wrong or has ended. */
export class UnauthenticatedError extends HappypathError {}
/** The key lacks a scope. */
export class PermissionDeniedError extends HappypathError {}
/** Others changed the same at the same time. */
export class ContendedError extends HappypathError {}
/** There is no room at the moment, or the caller has made more calls than it may. */
export class ExhaustedError extends HappypathError {}
/** What is asked for is not kept any more, such as changes behind an old position. */
export class OutOfRangeError extends HappypathError {}
/** Nobody answers at the moment. */
export class UnavailableError extends HappypathError {}
/** It took longer than the caller wanted to wait. */
export class DeadlineExceededError extends HappypathError {}
/** The process at this address does not run that service. */
export class UnimplementedError extends HappypathError {}

const classes: Partial<Record<Code, typeof HappypathError>> = {
  [Code.InvalidArgument]: InvalidRequestError,
  [Code.NotFound]: NotFoundError,
  [Code.AlreadyExists]: AlreadyExistsError,
  [Code.FailedPrecondition]: FailedPreconditionError,
  [Code.Unauthenticated]: UnauthenticatedError,
  [Code.PermissionDenied]: PermissionDeniedError,
  [Code.Aborted]: ContendedError,
  [Code.ResourceExhausted]: ExhaustedError,
  [Code.OutOfRange]: OutOfRangeError,
  [Code.Unavailable]: UnavailableError,
  [Code.DeadlineExceeded]: DeadlineExceededError,
  [Code.Unimplemented]: UnimplementedError,
};

/** What the details of a status tell. */
interface Told {
  reason?: string;
  violations?: Violation[];
  moreViolations?: number;
  retryAfterMs?: number;
}

/** Returns the error of a status. */
export function failure(code: Code, message: string, told: Told = {}, cause?: unknown): HappypathError {
  return new (classes[code] ?? HappypathError)(code, message, told, cause);
}

/** Returns the typed error of whatever a call threw that its caller did not end. */
export function failureOf(thrown: unknown): HappypathError {
  if (thrown instanceof HappypathError) return thrown;
  const error = ConnectError.from(thrown);
  const told = read(error);
  // A connection that is reset is ABORTED or CANCELED to the library below, and would be taken for something else.
  const isReset = !told.reason && (error.code === Code.Aborted || error.code === Code.Canceled);
  const code = isReset ? Code.Unavailable : error.code;
  return failure(code, error.rawMessage, told, thrown);
}

function read(error: ConnectError): Told {
  const told: Told = {};
  const [info] = error.findDetails(ErrorInfoSchema);
  if (info?.domain === domain) {
    told.reason = info.reason;
    told.moreViolations = Number(info.metadata['more_violations'] ?? 0) || 0;
  }
  const [bad] = error.findDetails(BadRequestSchema);
  if (bad) told.violations = bad.fieldViolations.map(({ field, description }) => ({ field, description }));
  const [retry] = error.findDetails(RetryInfoSchema);
  if (retry?.retryDelay) told.retryAfterMs = Number(retry.retryDelay.seconds) * 1000 + retry.retryDelay.nanos / 1e6;
  return told;
}

/** Returns the name of a status as gRPC writes it, such as NOT_FOUND. */
function nameOf(code: Code): string {
  return Code[code].replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
}

function forPeople(name: string, message: string, told: Told, remedy: string): string {
  const lines = [`${name}: ${message}`];
  for (const { field, description } of told.violations ?? []) lines.push(`  ${field || 'the request'}: ${description}`);
  if (told.moreViolations) lines.push(`  and ${told.moreViolations} more`);
  if (remedy) lines.push(remedy);
  return lines.join('\n');
}
