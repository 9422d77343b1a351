// A shop's integration, from Node: check.mjs ADDRESS.
//
// Knows the contracts from the .proto files. Ends with an error at the first thing that is not as promised.

import assert from 'node:assert/strict';

import { Server } from './contracts.mjs';
import { Story } from './story.mjs';
import { callWeb } from './web.mjs';

const invalidArgument = 3;
const server = new Server(process.argv[2]);
const story = new Story(server);
try {
  console.log(`A source, of ${story.user}`);
  await story.define();
  await story.send();
  await story.watch();
  await story.count();

  console.log('A browser');
  const key = { identifier: { namespace: 'user_id', value: story.user } };
  const found = await callWeb(server.address, 'identity', 'GetCustomer', key);
  assert.equal(found.status, 0);
  assert.equal(found.answer.customer.customer_id, story.customer);
  const refused = await callWeb(server.address, 'identity', 'GetCustomer', {});
  assert.equal(refused.status, invalidArgument);
  console.log('  gRPC-Web over HTTP/1.1 gets the same customer, and the same refusal');

  const bad = { name: '\u001b', identifiers: { user_id: story.user } };
  const error = await server.call('identity', 'Ingest', { events: Array(80).fill(bad) }).catch((refusal) => refusal);
  assert.equal(error.code, invalidArgument, String(error));
  const [details] = error.metadata.get('grpc-status-details-bin');
  for (const word of ['INVALID_REQUEST', 'events[1].name', 'more_violations']) {
    assert.ok(details.includes(word), word);
  }
  console.log('  80 bad events are one refusal, with the first fields and the count of the others');

  await story.cleanUp();
} finally {
  story.receiver?.close();
  server.close();
}
