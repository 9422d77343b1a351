// The TypeScript client against servers that fail: node behave.js SETTINGS, which name the servers.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import {
  Client,
  Code,
  ContendedError,
  DeadlineExceededError,
  event,
  type Event,
  HappypathError,
  InvalidRequestError,
  NotFoundError,
  OutOfRangeError,
  PermissionDeniedError,
  UnauthenticatedError,
  UnavailableError,
} from '@happypath/client';
import { ApplyAction, DefinitionKind } from '@happypath/client/gen/happypath/definition/v1/definition_service_pb';
import { verify, WebhookRefusedError } from '@happypath/client/webhooks';

import { follow } from './follow.js';
// Not for programs: the times of silence are too long for a test.
import { defaultRetries } from './node_modules/@happypath/client/dist/retries.js';
import { watch } from './node_modules/@happypath/client/dist/streams.js';
import { Watch } from './node_modules/@happypath/client/dist/watching.js';
import { receiver } from './receiver.js';

interface Settings {
  addresses: Record<string, string>;
  tag: string;
  methods: Record<string, string[]>;
  guarded: { address: string; key: string; narrow: string };
  post: { body: string; headers: Record<string, string>; secret: string };
}

const { addresses, tag, methods, guarded, post } = JSON.parse(process.argv[2]!) as Settings;
const unknown = '01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23';
/** Events of one stream, and in one of its batches. */
const [eventCount, batchSize] = [600, 20];
/** Milliseconds that a call takes at the most which ends after one second: far less than the 30,000 that others have. */
const mostMs = 8_000;
const direct = new Client(addresses['server']!);

/** Returns a client of a server, which is closed when `use` is done. */
async function withClient<T>(name: string, use: (client: Client) => Promise<T>, retries = {}): Promise<T> {
  const client = new Client(addresses[name]!, { retries });
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** Counts the events of a name that somebody has. */
async function counted(user: string, name: string, after: string): Promise<bigint> {
  const { customer } = await direct.identity.getCustomer({
    key: { case: 'identifier', value: { namespace: 'user_id', value: user } },
  });
  const { profile } = await direct.segmentation.getProfile({ customerId: customer!.customerId, after });
  return profile?.events.find((each) => each.name === name)?.count ?? 0n;
}

/** Returns the error with which a call ends, which must be of a kind. */
async function thrown<E extends Error>(kind: new (...args: never[]) => E, call: () => unknown): Promise<E> {
  try {
    await call();
  } catch (error) {
    assert.ok(error instanceof kind, String(error));
    return error;
  }
  assert.fail(`${kind.name} should have been thrown`);
}

async function calls(): Promise<void> {
  const user = `${tag}-calls`;
  const number = 2n ** 90n;
  const bought = event('bought', { user_id: user }, { properties: { number } });
  const answer = await withClient('refuses', (client) => client.ingest([bought]));
  assert.equal(answer.results[0]?.created, true, 'a replay gives the first answer');
  await withClient(
    'hangs',
    async (client) => {
      await client.track('bought', { user_id: user });
      const began = performance.now();
      const call = client.identity.getCustomer({ key: { case: 'customerId', value: unknown } }, { timeoutMs: 700 });
      await thrown(DeadlineExceededError, () => call);
      assert.ok(performance.now() - began < mostMs);
      const given = new AbortController();
      const reason = new Error('not wanted any more');
      setTimeout(() => given.abort(reason), 100);
      const hanging = client.identity.getCustomer({ key: { case: 'customerId', value: unknown } }, { signal: given.signal });
      assert.equal(await thrown(Error, () => hanging), reason);
    },
    { sendAttemptMs: 500 },
  );
  const { position } = await direct.ingest([event('seen', { user_id: user })]);
  assert.equal(await counted(user, 'bought', position), 2n);
  await withClient('nobody', (client) => thrown(UnavailableError, () => client.identify({ user_id: user }, { plan: 'pro' })), {
    totalMs: 1_000,
  });
  const closed = new Client(addresses['hangs']!);
  const under = closed.identity.getCustomer({ key: { case: 'customerId', value: unknown } });
  setTimeout(() => closed.close(), 100);
  assert.equal((await thrown(HappypathError, () => under)).code, Code.Canceled);
  assert.equal((await thrown(HappypathError, () => closed.track('bought', { user_id: user }))).code, Code.Canceled);
  console.log('  TypeScript: an event that took five attempts counts once; deadlines and signals hold');
}

async function errors(): Promise<void> {
  const bad = await thrown(InvalidRequestError, () => direct.ingest([event('bad\nname', { user_id: tag })]));
  assert.equal(bad.reason, 'INVALID_REQUEST');
  assert.match(bad.remedy, /Correct every field/);
  assert.deepEqual(
    bad.violations.map(({ field }) => field),
    ['events[0].name'],
  );
  assert.ok(bad.message.includes('events[0].name: ') && bad.message.includes(bad.remedy), bad.message);
  const missing = await thrown(NotFoundError, () => direct.identity.getCustomer({ key: { case: 'customerId', value: unknown } }));
  assert.ok(missing instanceof HappypathError && missing.code === Code.NotFound && missing.reason === 'CUSTOMER_NOT_FOUND');
  await thrown(RangeError, () => direct.ingest([]));
  await thrown(TypeError, () => event('bought', { user_id: tag }, { properties: { total: NaN } }));
  for (const address of ['ftp://127.0.0.1', '127.0.0.1:port', 'http://127.0.0.1/path', ''])
    await thrown(TypeError, () => new Client(address));
  const name = `client_${tag}`;
  const [created] = await direct.apply([{ segment: { name, expression: 'events("visited").exists()' } }]);
  assert.equal(created?.action, ApplyAction.CREATED);
  const began = performance.now();
  const again = await thrown(ContendedError, () => direct.apply([{ segment: { name, expression: 'true' } }], { ifMatch: ['0'] }));
  assert.ok(again.reason === 'ETAG_MISMATCH' && performance.now() - began < mostMs, again.message);
  await direct.definition.deleteDefinition({ kind: DefinitionKind.SEGMENT, name });
  console.log('  TypeScript: errors tell reason, remedy and fields; definitions are applied and deleted');
}

async function streams(): Promise<void> {
  const ways = { cuts_streams: {}, cuts_sources: { source: `source-${tag}` }, resets: { importName: `import-${tag}` } };
  for (const [name, options] of Object.entries(ways)) {
    const user = `${tag}-${name}`;
    function* events(): Generator<Event> {
      for (let number = 1; number <= eventCount; number += 1)
        yield event('visited', { user_id: user }, 'source' in options ? { sequence: number } : {});
    }
    const [taken, position] = await withClient(name, async (client) => {
      let [accepted, last] = [0, ''];
      for await (const answer of client.ingestStream(events(), { batchSize, window: 4, ...options })) {
        accepted += answer.acceptedCount;
        last = answer.position;
      }
      return [accepted, last];
    });
    assert.equal(taken, eventCount, name);
    assert.equal(await counted(user, 'visited', position), BigInt(eventCount), name);
  }
  console.log(`  TypeScript: three streams of ${eventCount} events, cut and reset in 17 places, count each event once`);
}

async function slowSource(): Promise<void> {
  let answered: (() => void) | undefined;
  async function* oneByOne(): AsyncGenerator<Event> {
    for (let count = 0; count < 3; count += 1) {
      const waiting = new Promise<void>((resolve) => (answered = resolve));
      yield event('visited', { user_id: `${tag}-slow` });
      await waiting;
    }
    yield event('bad\nname', { user_id: tag });
    throw new SyntaxError('of the source');
  }
  const refused: string[] = [];
  await thrown(SyntaxError, async () => {
    for await (const answer of direct.ingestStream(oneByOne(), { batchSize: 1 })) {
      assert.equal(answer.events.length, 1);
      refused.push(...answer.refused.map(({ field, event: { name } }) => `${field} of ${name}`));
      answered?.();
    }
  });
  await thrown(RangeError, () => direct.ingestStream([event('visited', { user_id: tag })], { source: 'numbered' }).next());
  await thrown(RangeError, () => direct.ingestStream([], { batchSize: 1_001 }));
  console.log('  TypeScript: events of a slow source are answered one by one');
}

async function watches(): Promise<void> {
  const ways = { cuts_watches: { position: 'fake-150' }, resets_watches: { fromStart: true }, cuts_new_watches: {} };
  for (const [name, options] of Object.entries(ways)) {
    const seen: number[] = [];
    await withClient(name, async (client) => {
      for await (const batch of client.watchChanges({ kinds: ['membership'], ...options })) {
        seen.push(...batch.changes.map(({ id }) => Number(id.slice(1))));
        if (seen.length >= (name === 'cuts_new_watches' ? 60 : 450)) break;
      }
    });
    assert.deepEqual(
      seen,
      seen.map((_, index) => seen[0]! + index),
      name,
    );
    const begin: Record<string, number> = { cuts_watches: 150, resets_watches: 100 };
    assert.equal(seen[0], begin[name] ?? seen[0]);
  }
  await withClient('silences', async (client) => {
    const open: Parameters<typeof watch>[0] = (request, signal) => client.change.watchChanges(request, { signal });
    const first = await watch(open, new Watch({ position: 'fake-150' }), defaultRetries, undefined, 500).next();
    assert.equal(first.value?.position, 'fake-150');
  });
  await withClient('changes', async (client) => {
    await thrown(OutOfRangeError, () => follow(client, 'fake-99', AbortSignal.timeout(mostMs)));
    const old = await thrown(OutOfRangeError, () => client.watchChanges({ position: 'fake-99' }).next());
    assert.equal(old.reason, 'CHANGES_OUT_OF_RANGE');
    const given = new AbortController();
    const reason = new Error('seen enough');
    const following = async (): Promise<void> => {
      for await (const _ of client.watchChanges({ fromStart: true, signal: given.signal }))
        setTimeout(() => given.abort(reason), 50);
    };
    assert.equal(await thrown(Error, following), reason);
  });
  console.log('  TypeScript: three watches, cut and reset in 17 places, see each change once and in order');
}

async function keys(): Promise<void> {
  const ask = (key?: string): Promise<unknown> => {
    const client = new Client(guarded.address, key === undefined ? {} : { key: () => Promise.resolve(key) });
    return client.identity.listCustomers({ pageSize: 1 }).finally(() => client.close());
  };
  await ask(guarded.key);
  await thrown(UnauthenticatedError, () => ask());
  const narrow = await thrown(PermissionDeniedError, () => ask(guarded.narrow));
  assert.equal(narrow.reason, 'SCOPE_MISSING');
  for (const [service, names] of Object.entries(methods)) {
    const stub = (direct as unknown as Record<string, Record<string, unknown>>)[service];
    for (const name of names)
      assert.equal(typeof stub?.[name[0]!.toLowerCase() + name.slice(1)], 'function', `${service}.${name}`);
  }
  for (const protocol of ['grpc-web', 'connect'] as const) {
    const client = new Client(addresses['server']!, { protocol });
    await client.track('seen', { user_id: tag });
    await thrown(NotFoundError, () => client.identity.getCustomer({ key: { case: 'customerId', value: unknown } }));
    client.close();
  }
  console.log('  TypeScript: keys are sent; every method of every service is there; gRPC-Web and Connect work as gRPC does');
}

/** Returns the headers that a signature is about. */
function webhookHeaders(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('webhook-')));
}

async function webhooks(): Promise<void> {
  const { body, headers, secret } = post;
  const delivery = await verify(body, headers, ['whsec_b3RoZXI=', secret]);
  assert.equal(delivery.id, headers['webhook-id']);
  assert.deepEqual(delivery.payload, JSON.parse(body));
  for (const [own, status] of [
    [secret, 204],
    ['whsec_b3RoZXI=', 401],
  ] as const) {
    const server = receiver(own).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body, headers: webhookHeaders(headers) });
    assert.equal(response.status, status);
    server.close();
  }
  const forged = [
    () => verify(`${body} `, headers, secret),
    () => verify(body, headers, 'whsec_b3RoZXI='),
    () => verify(body, headers, secret, { now: new Date(Date.now() + 330_000) }),
    () => verify(body, { ...headers, 'webhook-id': 'other' }, secret),
    () => verify(body, { ...headers, 'webhook-timestamp': 'now' }, secret),
    () => verify(body, { ...headers, 'webhook-signature': 'v1,%%%' }, secret),
    () => verify(body, {}, secret),
  ];
  for (const call of forged) await thrown(WebhookRefusedError, call);
  await thrown(TypeError, () => verify(body, headers, 'secret!'));
  console.log('  TypeScript: a post is verified, and seven forgeries are not');
}

for (const part of [calls, errors, streams, slowSource, watches, keys, webhooks]) await part();
direct.close();
