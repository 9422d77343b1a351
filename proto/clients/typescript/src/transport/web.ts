// The way to the services from browsers, and wherever there is `fetch`: the Connect protocol, unless gRPC-Web is asked for.

import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web';

import type { Connection, TransportSettings } from './settings.js';

/** Makes a way to the services. Throws a TypeError for what a browser cannot do. */
export function connect({ url, protocol = 'connect', tls }: TransportSettings): Connection {
  if (tls) throw new TypeError('tls: a browser has certificates of its own');
  if (protocol === 'grpc') throw new TypeError('protocol: a browser does not speak gRPC: choose connect or grpc-web');
  const settings = { baseUrl: url, useBinaryFormat: true };
  const transport = protocol === 'connect' ? createConnectTransport(settings) : createGrpcWebTransport(settings);
  return { transport, streamsRequests: false, close: () => undefined };
}
