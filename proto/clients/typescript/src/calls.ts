// A transport whose calls carry the key, are made again where that may help, and end with typed errors.

import { clone, create } from '@bufbuild/protobuf';
import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { ContextValues, StreamResponse, Transport, UnaryResponse } from '@connectrpc/connect';

import { failureOf, type HappypathError } from './errors.js';
import { newId } from './events.js';
import { IngestRequestSchema } from './gen/happypath/identity/v1/identity_service_pb.js';
import { Course, type Retries, wait } from './retries.js';

/** An API key or a token, or a function that returns one before each call. */
export type Key = string | (() => string | Promise<string>);

/**
 * What clients of all services are made on.
 *
 * Calls with one answer are made again as `Retries` says; `timeoutMs` bounds all attempts together. Streams are not: what
 * was answered before cannot be taken back.
 */
export class RetryingTransport implements Transport {
  constructor(
    private readonly inner: Transport,
    private readonly key: Key | undefined,
    private readonly retries: Retries,
    /** Ends every call, with its reason. */
    private readonly closed: AbortSignal,
  ) {}

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O>> {
    const request = named(method.input, input);
    const course = new Course(this.retries, timeoutMs);
    const most = method.input.typeName === IngestRequestSchema.typeName ? this.retries.sendAttemptMs : Infinity;
    for (;;) {
      this.closed.throwIfAborted();
      try {
        const attemptMs = Math.ceil(Math.min(course.timeLeftMs(), most));
        return await this.inner.unary(method, signal, attemptMs, await this.headers(header), request, contextValues);
      } catch (thrown) {
        const error = this.failureOf(thrown, signal);
        const pause = course.pauseAfter(error);
        if (pause === undefined) throw error;
        await wait(pause, signal ? AbortSignal.any([signal, this.closed]) : this.closed);
      }
    }
  }

  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O>> {
    this.closed.throwIfAborted();
    try {
      const response = await this.inner.stream(method, signal, timeoutMs, await this.headers(header), input, contextValues);
      return { ...response, message: this.typed(response.message, signal) };
    } catch (thrown) {
      throw this.failureOf(thrown, signal);
    }
  }

  private async *typed<T>(answers: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
    try {
      yield* answers;
    } catch (thrown) {
      throw this.failureOf(thrown, signal);
    }
  }

  /** Returns the typed error of what a call threw, or throws the reason of whoever ended it. */
  private failureOf(thrown: unknown, signal: AbortSignal | undefined): HappypathError {
    signal?.throwIfAborted();
    this.closed.throwIfAborted();
    return failureOf(thrown);
  }

  private async headers(given: HeadersInit | undefined): Promise<Headers> {
    const headers = new Headers(given);
    const key = typeof this.key === 'function' ? await this.key() : this.key;
    if (key) headers.set('authorization', `Bearer ${key}`);
    return headers;
  }
}

/** Returns the request with a `requestId`, where its contract has one: the same call can be made again then. */
function named<I extends DescMessage>(schema: I, input: MessageInitShape<I>): MessageShape<I> {
  const message = create(schema, input) as MessageShape<I> & { requestId?: string };
  if (!schema.field['requestId'] || message.requestId) return message;
  const copy = clone(schema, message) as MessageShape<I> & { requestId?: string };
  copy.requestId = newId();
  return copy;
}
