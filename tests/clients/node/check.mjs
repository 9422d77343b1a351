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

  await story.cleanUp();
} finally {
  story.receiver?.close();
  server.close();
}
