// The contracts, read from the .proto files of this repository: clients, and codecs for calls made by hand.

import { fileURLToPath } from 'node:url';

import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const protos = fileURLToPath(new URL('../../../proto/', import.meta.url));
const files = {
  identity: 'happypath/identity/v1/identity_service.proto',
  definition: 'happypath/definition/v1/definition_service.proto',
  segmentation: 'happypath/segmentation/v1/segmentation_service.proto',
  journey: 'happypath/journey/v1/journey_service.proto',
};

const definitions = loader.loadSync(Object.values(files), {
  includeDirs: [`${protos}api`, `${protos}vendor/protovalidate`, `${protos}vendor/googleapis`],
  keepCase: true,
  longs: Number,
  enums: String,
  defaults: true,
});

// How long a call may take; far above what an idle machine needs, far below a hang.
const deadlineMs = 10_000;

/** The contract of a method: its path, and how its messages are written and read. */
export const method = (service, name) => definitions[`happypath.${service}.v1.${title(service)}Service`][name];

/** Calls methods of the server at an address such as `http://127.0.0.1:7400`. */
export class Server {
  #clients = {};

  constructor(address) {
    this.address = address;
    const types = grpc.loadPackageDefinition(definitions).happypath;
    for (const service of Object.keys(files)) {
      const Client = types[service].v1[`${title(service)}Service`];
      this.#clients[service] = new Client(new URL(address).host, grpc.credentials.createInsecure());
    }
  }

  /** One request, one answer. */
  call(service, name, request) {
    const client = this.#clients[service];
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + deadlineMs;
      client[name](request, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  }

  /** All requests on one bidirectional stream; the answers in order. */
  stream(service, name, requests) {
    const call = this.#clients[service][name]({ deadline: Date.now() + deadlineMs });
    return new Promise((resolve, reject) => {
      const answers = [];
      call.on('data', (answer) => answers.push(answer));
      call.on('error', reject);
      call.on('end', () => resolve(answers));
      requests.forEach((request) => call.write(request));
      call.end();
    });
  }

  /** Ends the connections. */
  close() {
    Object.values(this.#clients).forEach((client) => client.close());
  }
}

/** A google.protobuf.Struct of texts, numbers and truths. */
export function struct(object) {
  const kinds = { string: 'stringValue', number: 'numberValue', boolean: 'boolValue' };
  const values = Object.entries(object).map(([key, value]) => [key, { [kinds[typeof value]]: value }]);
  return { fields: Object.fromEntries(values) };
}

/** A google.protobuf.Timestamp. */
export const timestamp = (ms) => ({ seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 });

function title(word) {
  return word[0].toUpperCase() + word.slice(1);
}
