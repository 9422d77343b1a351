// What a transport can be told.

import type { Transport } from '@connectrpc/connect';

/** A protocol of the services. */
export type Protocol = 'grpc' | 'grpc-web' | 'connect';

/** Certificates in PEM. Only where Node makes the connection: a browser has its own. */
export interface TlsOptions {
  /** The authorities that the service's certificate is held against. Absent: those of Node. */
  readonly ca?: string | Uint8Array;
  /** The certificate of this client, for mutual TLS. */
  readonly cert?: string | Uint8Array;
  /** Its key. */
  readonly key?: string | Uint8Array;
}

/** What a transport is made of. */
export interface TransportSettings {
  readonly url: string;
  readonly protocol: Protocol | undefined;
  readonly tls: TlsOptions | undefined;
}

/** A way to the services. */
export interface Connection {
  readonly transport: Transport;
  /** False where streams of requests cannot be sent. */
  readonly streamsRequests: boolean;
  /** Ends the connections. */
  close(): void;
}
