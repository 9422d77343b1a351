// A shop that sends its history as an ordered source on one stream, and sends it again because it cannot be sure.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';

import { struct, timestamp } from './contracts.mjs';
import { Receiver, verified } from './receiver.mjs';

// What happens behind an answer may take so long.
const patienceMs = 60_000;
const notFound = 5;

/** One run of the story, with names that no other run has. */
export class Story {
  constructor(server) {
    this.server = server;
    this.tag = randomBytes(6).toString('hex');
    this.user = `user-${this.tag}`;
    this.names = { channel: `hook_${this.tag}`, template: `text_${this.tag}`, segment: `regular_${this.tag}` };
    this.names.journey = `thanks_${this.tag}`;
    this.names.journey_map = `shop_${this.tag}`;
    this.secret = `whsec_${randomBytes(32).toString('base64')}`;
  }

  /** Defines a way to thank regular customers, and a map of what becomes of them. */
  async define() {
    this.receiver = await new Receiver().start();
    const { channel, template, segment, journey, journey_map } = this.names;
    const trigger = { event: 'purchase', where: `event.shop == "${this.tag}"` };
    const regular = { segment_entered: segment };
    const webhook = { url: this.receiver.url, secret: this.secret, allow_private_network: true };
    const steps = [
      {
        id: 'await_regular',
        wait_for: { branches: [{ trigger: regular, next: 'thank' }], timeout: '30d', on_timeout: 'give_up' },
      },
      { id: 'thank', send: { channel, template, purpose: 'transactional' } },
      { id: 'done', exit: { outcome: 'RUN_OUTCOME_SUCCESS' } },
      { id: 'give_up', exit: { outcome: 'RUN_OUTCOME_FAILURE' } },
    ];
    const stages = [
      { name: 'buyer', enter: [trigger], from: ['outside'] },
      { name: 'regular', enter: [regular] },
    ];
    const expression = `events("purchase").where(event.shop == "${this.tag}").count() >= 3`;
    const definitions = [
      { channel: { name: channel, webhook } },
      { template: { name: template, text: { body: 'Order {{ event.order }} made you a regular, {{ profile.first_name }}.' } } },
      { segment: { name: segment, expression } },
      { journey: { name: journey, entry: { triggers: [trigger], reentry: 'REENTRY_NEVER' }, steps } },
      { journey_map: { name: journey_map, stages } },
    ];
    const request = { request_id: `apply-${this.tag}`, definitions };
    const { applied } = await this.server.call('definition', 'ApplyDefinitions', request);
    assert.deepEqual(applied.map((each) => each.action), definitions.map(() => 'APPLY_ACTION_CREATED'));
    // The contract gives every replica a second to hear of them.
    await wait(1_000);
    console.log('  five definitions are live');
  }

  /** The batches of the source: three purchases of one customer, and one event that is wrong. */
  batches(now) {
    const purchase = (sequence) => ({
      name: 'purchase',
      time: timestamp(now - 10_000 + sequence * 1_000),
      identifiers: { user_id: this.user },
      properties: struct({ shop: this.tag, order: `o${sequence}`, amount: 19.5 }),
      traits: struct({ first_name: 'Ada' }),
      sequence,
    });
    const wrong = { ...purchase(2), name: 'not\na name' };
    const source = `shop-${this.tag}`;
    return [
      { source, events: [purchase(1), wrong] },
      { source, events: [purchase(3), purchase(4)] },
    ];
  }

  /** Sends the source, and sends it again. */
  async send() {
    const batches = this.batches(Date.now());
    const first = await this.server.stream('identity', 'IngestStream', batches);
    assert.equal(first.length, 2, 'every batch has an answer');
    const counts = (answer) => [answer.accepted_count, answer.replayed_count, answer.created_count];
    assert.deepEqual(first.map(counts), [[1, 0, 1], [2, 0, 0]]);
    const rejected = first[0].rejected.map(({ index, field }) => ({ index, field }));
    assert.deepEqual(rejected, [{ index: 1, field: 'name' }], 'a bad event does not stop the others');
    const again = await this.server.stream('identity', 'IngestStream', batches);
    assert.deepEqual(again.map(counts), [[1, 1, 0], [2, 2, 0]]);
    console.log('  three events were taken, a wrong one was told, and all three were known when they came again');
  }

  /** Watches what it leads to. */
  async watch() {
    const key = { identifier: { namespace: 'user_id', value: this.user } };
    const { customer } = await this.server.call('identity', 'GetCustomer', key);
    this.customer = customer.customer_id;
    await until('the webhook arrived', () => this.receiver.deliveries.length > 0);
    const { data } = verified(this.secret, this.receiver.deliveries[0]);
    assert.equal(data.customer_id, this.customer);
    assert.equal(data.body, 'Order o1 made you a regular, Ada.', 'the event of a run is the one that started it');
    const journeys = await until('the run has ended', async () => {
      const answer = await this.server.call('journey', 'GetCustomerJourneys', { customer_id: this.customer });
      const run = answer.runs.find((each) => each.journey === this.names.journey);
      return run?.outcome === 'RUN_OUTCOME_SUCCESS' && answer;
    });
    const position = journeys.positions.find((each) => each.map === this.names.journey_map);
    assert.equal(position?.stage, 'regular');
  }

  /** The counters: replays were not counted, and nobody was lost. */
  async count() {
    const { profile } = await this.server.call('segmentation', 'GetProfile', { customer_id: this.customer });
    assert.equal(profile.events.find((each) => each.name === 'purchase').count, 3);
    assert.ok(profile.memberships.some((each) => each.segment === this.names.segment));
    const flow = await this.server.call('journey', 'GetFlow', { journey: this.names.journey });
    assert.deepEqual([flow.entered_count, flow.active_count], [1, 0]);
    const map = await this.server.call('journey', 'GetMapFlow', { map: this.names.journey_map });
    const stages = map.stages.map((each) => [each.stage, each.in_count, each.out_count, each.present_count]);
    assert.deepEqual(stages, [['buyer', 1, 1, 0], ['regular', 1, 0, 1]]);
    for (const step of [...flow.steps, ...map.stages]) {
      assert.equal(step.in_count, step.out_count + step.present_count, 'in = out + present');
    }
    assert.equal(this.receiver.deliveries.length, 1, 'replays must not send again');
    console.log('  profile, flow and map agree');
  }

  /** Deletes what the run defined, users of a definition first. */
  async cleanUp() {
    for (const kind of ['journey_map', 'journey', 'segment', 'template', 'channel']) {
      await this.server.call('definition', 'DeleteDefinition', {
        request_id: `delete-${kind}-${this.tag}`,
        kind: `DEFINITION_KIND_${kind.toUpperCase()}`,
        name: this.names[kind],
      });
    }
    console.log('  the definitions are deleted');
  }
}

/** Looks until there is something, and returns it. NOT_FOUND means that it is not there yet. */
async function until(what, look) {
  const deadline = Date.now() + patienceMs;
  while (Date.now() < deadline) {
    const found = await Promise.resolve(look()).catch((error) => {
      if (error.code !== notFound) throw error;
    });
    if (found) {
      console.log(`  ${what}`);
      return found;
    }
    await wait(50);
  }
  throw new Error(`not within ${patienceMs / 1000} s: ${what}`);
}
