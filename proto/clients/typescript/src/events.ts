// Events as programs write them, and as they are sent.

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';

import { type Event, EventSchema } from './gen/happypath/identity/v1/identity_service_pb.js';
import { jsonOf } from './json.js';

/** Events in one call of Ingest, as the contract has it. */
export const mostEvents = 500;
/** The event of an identification, as tracking SDKs call it. */
export const identifyName = 'identify';

/** Namespaces and values that name a customer, such as `{ user_id: 'ada' }`. */
export type Identifiers = Readonly<Record<string, string>>;
/** Texts, numbers, truth values, dates, lists and objects, by name. Whole numbers beyond 2^53 are bigints. */
export type Values = Readonly<Record<string, unknown>>;

/** What an event may say besides its name and its customer. */
export interface EventDetails {
  /** What is known about the event. */
  properties?: Values;
  /** What it tells about the customer. `null` removes a trait. */
  traits?: Values;
  /** Where it comes from, such as a page or a library. */
  context?: Values;
  /** The groups that the customer acted for, as type to key. */
  groups?: Readonly<Record<string, string>>;
  /** When it happened. Absent: when it is received. */
  time?: Date;
  /**
   * The sender's id, such as the number of an order. Within 24 hours, events of a customer with the same id count once.
   * Absent: a new one, which the event keeps, so that sending the same event again is safe.
   */
  eventId?: string;
  /** Its place in a source that is sent as a stream, from 1. */
  sequence?: number | bigint;
}

/** Makes an event. Throws a TypeError for a value that cannot be sent. */
export function event(name: string, identifiers: Identifiers, details: EventDetails = {}): Event {
  const { properties, traits, context, groups, time, eventId, sequence } = details;
  const made = create(EventSchema, { name, identifiers: { ...identifiers }, groups: { ...groups }, eventId: eventId ?? newId() });
  if (properties) made.propertiesForm = { case: 'propertiesJson', value: jsonOf('properties', properties) };
  if (traits) made.traitsForm = { case: 'traitsJson', value: jsonOf('traits', traits) };
  if (context) made.contextForm = { case: 'contextJson', value: jsonOf('context', context) };
  if (sequence !== undefined) made.sequence = BigInt(sequence);
  if (time) {
    if (Number.isNaN(time.getTime())) throw new TypeError('time: is a date that is none');
    made.time = timestampFromDate(time);
  }
  return made;
}

/** Returns an id that nobody has. */
export function newId(): string {
  return crypto.randomUUID().replaceAll('-', '');
}
