// Calls a server by the Connect protocol with the official client: check.mjs ADDRESS CONTRACTS, which is what `buf build` writes.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { EventSource } from 'eventsource';

const [address, contracts] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(contracts)));
const service = (name) => registry.getService(`happypath.${name}`);
const unknown = '01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23';
const tag = `connect-${Date.now()}-${process.pid}`;

const ways = [];
for (const httpVersion of ['1.1', '2']) {
  for (const useBinaryFormat of [false, true]) {
    const name = `Connect, ${useBinaryFormat ? 'protobuf' : 'JSON'}, HTTP/${httpVersion}`;
    ways.push({ name, httpVersion, transport: createConnectTransport({ baseUrl: address, httpVersion, useBinaryFormat }) });
  }
}
ways.push({ name: 'gRPC', httpVersion: '2', transport: createGrpcTransport({ baseUrl: address }) });
ways.push({ name: 'gRPC-Web', httpVersion: '1.1', transport: createGrpcWebTransport({ baseUrl: address, httpVersion: '1.1' }) });

/** Returns the error with which a call ends. */
async function refusal(call) {
  try {
    await call;
  } catch (error) {
    return ConnectError.from(error);
  }
  assert.fail('the call was taken');
}

for (const [number, way] of ways.entries()) {
  const identity = createClient(service('identity.v1.IdentityService'), way.transport);
  const user = `${tag}-${number}`;
  const properties = { total: 19.5, nested: { ok: true } };
  const event = { name: 'seen', identifiers: { user_id: user }, propertiesForm: { case: 'properties', value: properties } };

  // A call, and the same one again.
  const request = { requestId: user, events: [event] };
  const first = await identity.ingest(request);
  assert.equal(first.results.length, 1, way.name);
  assert.equal(first.results[0].created, true, way.name);
  assert.deepEqual(await identity.ingest(request), first, way.name);
  const found = await identity.getCustomer({ key: { case: 'identifier', value: { namespace: 'user_id', value: user } } });
  assert.equal(found.customer.customerId, first.results[0].customerId, way.name);

  // A refusal with its details.
  const wrong = await refusal(identity.listCustomers({ pageSize: 5000 }));
  assert.equal(wrong.code, Code.InvalidArgument, way.name);
  const types = wrong.details.map((detail) => detail.type ?? detail.desc?.typeName);
  assert.ok(types.includes('google.rpc.ErrorInfo') && types.includes('google.rpc.BadRequest'), `${way.name}: ${types}`);
  const missing = await refusal(identity.getCustomer({ key: { case: 'customerId', value: unknown } }));
  assert.equal(missing.code, Code.NotFound, `${way.name}: ${missing}`);

  // A deadline that has passed ends a call, unless that was faster than the clock. On HTTP/1.1 it ends the connection too, while
  // the client may still be writing.
  if (way.httpVersion === '2') {
    const passed = { 'connect-timeout-ms': '0', 'grpc-timeout': '0m' };
    const late = identity.ingest({ requestId: `${user}-late`, events: [event] }, { headers: passed });
    const ended = await late.then(() => Code.DeadlineExceeded, (error) => ConnectError.from(error).code);
    assert.equal(Code[ended], Code[Code.DeadlineExceeded], way.name);
  }

  // A stream of answers.
  const audit = createClient(service('audit.v1.AuditService'), way.transport);
  let entries = 0;
  for await (const _ of audit.exportEntries({})) entries += 1;
  assert.ok(entries > 0, way.name);

  // A stream both ways, which the client has on HTTP/2 alone.
  if (way.httpVersion === '2') {
    const source = user.replaceAll('-', '_');
    const messages = async function* () {
      for (let sequence = 1n; sequence <= 20n; sequence += 1n) yield { source, events: [{ ...event, sequence }] };
    };
    let accepted = 0;
    for await (const answer of identity.ingestStream(messages())) accepted += answer.acceptedCount;
    assert.equal(accepted, 20, way.name);
  }
  console.log(`${way.name}: calls, repetitions, refusals with details, deadlines and streams`);
}

// Server-sent events, whose connection breaks off again and again: the client goes on behind the last one that it has.
const { transport } = ways[0];
const segment = `${tag.replaceAll('-', '_')}_seen`;
const definition = { kind: { case: 'segment', value: { name: segment, expression: 'events("seen").count() >= 1' } } };
await createClient(service('definition.v1.DefinitionService'), transport).applyDefinitions({ requestId: segment, definitions: [definition] });
const changes = `${address}/v1/changes:watch?fromStart=true&maxChanges=1&filter.segments=${segment}`;
const begun = [];
/** Fetches as ever, and breaks the answer off after some parts of it. */
async function fetchSome(url, init) {
  const answer = await fetch(url, init);
  begun.push(init.headers['Last-Event-ID']);
  let left = begun.length < 3 ? 3 : Infinity;
  const body = answer.body.pipeThrough(new TransformStream({
    transform(part, to) {
      to.enqueue(part);
      if (--left === 0) to.terminate();
    },
  }));
  return { body, url: answer.url, status: answer.status, redirected: answer.redirected, headers: answer.headers };
}
const people = Array.from({ length: 12 }, (_, number) => `${tag}-sse-${number}`);
const found = await new Promise((resolve, reject) => {
  const seen = [];
  const source = new EventSource(changes, { fetch: fetchSome });
  setTimeout(60_000).then(() => reject(new Error(`only ${seen.length} changes came`)));
  source.onmessage = ({ data, lastEventId }) => {
    const message = JSON.parse(data);
    assert.equal(message.position, lastEventId);
    seen.push(...(message.changes ?? []).filter((change) => change.membership?.segment === segment));
    if (seen.length < people.length) return;
    source.close();
    resolve(seen);
  };
  source.onopen = async () => {
    if (begun.length > 1) return;
    const identity = createClient(service('identity.v1.IdentityService'), transport);
    for (const user of people) {
      await identity.ingest({ requestId: user, events: [{ name: 'seen', identifiers: { user_id: user } }] });
      // Apart, so that each is a part of the answer.
      await setTimeout(500);
    }
  };
});
assert.equal(new Set(found.map((change) => change.id)).size, people.length, 'a change came twice');
assert.ok(begun.length >= 3 && begun[0] === undefined && begun.slice(1).every((position) => position), `${begun}`);
console.log(`EventSource: ${found.length} changes over ${begun.length} connections, none lacking and none twice`);
process.exit(0);
