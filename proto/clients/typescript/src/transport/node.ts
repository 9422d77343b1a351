// The way to the services from Node: gRPC over HTTP/2, unless another protocol is asked for.

import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';

import type { Connection, TlsOptions, TransportSettings } from './settings.js';

/** A peer that is gone without a word is noticed within a minute. */
const pings = { pingIntervalMs: 30_000, pingTimeoutMs: 10_000 };
/** Bytes of the largest answer that is taken. Services keep theirs below 4 MiB, and leave room for the future. */
const readMaxBytes = 16 * 1024 * 1024;

/** Makes a way to the services. */
export function connect({ url, protocol = 'grpc', tls }: TransportSettings): Connection {
  const sessionManager = new Http2SessionManager(url, pings, pem(tls));
  const settings = { baseUrl: url, sessionManager, readMaxBytes };
  const close = (): void => sessionManager.abort();
  switch (protocol) {
    case 'grpc':
      return { transport: createGrpcTransport(settings), streamsRequests: true, close };
    case 'grpc-web':
      return { transport: createGrpcWebTransport({ ...settings, httpVersion: '2' }), streamsRequests: true, close };
    case 'connect':
      return { transport: createConnectTransport({ ...settings, httpVersion: '2' }), streamsRequests: true, close };
  }
}

/** Returns certificates as Node takes them. */
function pem(tls: TlsOptions | undefined): Record<string, Buffer> {
  const given = Object.entries(tls ?? {}).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [name, Buffer.from(value)]));
}
