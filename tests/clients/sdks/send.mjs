// Makes calls with one SDK for Node as it is published: send.mjs SDK HOST KEY, with the calls as JSON on the input.
//
// Only the host is set. Ends with one line of JSON: the errors that the SDK told its program.

import { readFileSync } from 'node:fs';

import Rudder from '@rudderstack/rudder-sdk-node';
import { Analytics } from '@segment/analytics-node';
import { PostHog } from 'posthog-node';

const [, , sdk, host, key] = process.argv;
const calls = JSON.parse(readFileSync(0, 'utf8'));
const errors = [];

// The words of a call as Segment and RudderStack take them; what is absent stays absent.
const message = (call) => ({
  userId: call.user,
  anonymousId: call.anonymous,
  event: call.event,
  name: call.name,
  category: call.category,
  groupId: call.group,
  previousId: call.previous,
  properties: call.properties,
  traits: call.traits,
  timestamp: call.time && new Date(call.time),
});

const segment = async () => {
  const analytics = new Analytics({ writeKey: key, host });
  analytics.on('error', (error) => errors.push(`${error.code}: ${error.reason?.message ?? error.reason}`));
  for (const call of calls) analytics[call.call](message(call));
  await analytics.closeAndFlush();
};

const rudder = async () => {
  const errorHandler = (error) => errors.push(error.message);
  const analytics = new Rudder(key, { dataPlaneUrl: host, logLevel: 'silent', errorHandler });
  const taken = calls.map((call) => {
    const { timestamp, ...rest } = message(call);
    return new Promise((done) => analytics[call.call]({ ...rest, originalTimestamp: timestamp }, done));
  });
  // The first call goes out by itself, and a flush does not wait for it.
  await analytics.flush().catch(() => {});
  await Promise.all(taken);
};

const posthog = async () => {
  const analytics = new PostHog(key, { host });
  analytics.on('error', (error) => errors.push(error.message));
  for (const call of calls) {
    const distinctId = call.user ?? call.anonymous;
    const timestamp = call.time && new Date(call.time);
    // Whoever is only a device says so.
    const properties = call.user ? call.properties : { ...call.properties, $device_id: distinctId };
    const traits = call.traits;
    if (call.call === 'identify') analytics.identify({ distinctId, properties: { $set: traits, $anon_distinct_id: call.anonymous } });
    else if (call.call === 'group') analytics.groupIdentify({ groupType: 'company', groupKey: call.group, properties: traits });
    else if (call.call === 'alias') analytics.alias({ distinctId: call.user, alias: call.previous });
    else if (call.call === 'track') analytics.capture({ distinctId, event: call.event, properties, timestamp });
    else analytics.capture({ distinctId, event: `$${call.call.replace('page', 'pageview')}`, properties, timestamp });
  }
  await analytics.shutdown();
};

// A program that goes on: some SDKs wait for their next try with timers that keep no process alive.
const program = setInterval(() => {}, 1000);
await { 'segment-node': segment, 'rudder-node': rudder, 'posthog-node': posthog, 'posthog-node-v1': posthog }[sdk]();
process.stdout.write(`${JSON.stringify({ errors })}\n`);
clearInterval(program);
process.exit(0);
