// Watches who enters a segment, and prints the ids of so many changes: node watch.js SETTINGS.

import { Client } from '@happypath/client';

const { address, position, segment, count } = JSON.parse(process.argv[2]!) as Record<string, string>;
const client = new Client(address!);
const ids: string[] = [];
for await (const batch of client.watchChanges({
  position: position!,
  segments: [segment!],
  kinds: ['membership'],
  maxChanges: 20,
})) {
  ids.push(...batch.changes.map(({ id }) => id));
  if (ids.length >= Number(count)) break;
}
client.close();
console.log(JSON.stringify(ids));
