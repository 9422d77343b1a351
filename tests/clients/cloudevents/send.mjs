// Sends events with the SDK for Node: send.mjs ADDRESS MODE, with the events as JSON on standard input.
import { CloudEvent, HTTP, Mode, emitterFor, httpTransport } from "cloudevents";
import { readFileSync } from "node:fs";

const [address, mode] = process.argv.slice(2);
const events = JSON.parse(readFileSync(0)).map(({ text, bytes, data, extensions, ...own }) => {
  if (text !== undefined) return new CloudEvent({ ...own, datacontenttype: "text/plain", data: text });
  if (bytes !== undefined) {
    return new CloudEvent({ ...own, datacontenttype: "application/octet-stream", data: Uint8Array.from(Buffer.from(bytes, "base64")) });
  }
  return new CloudEvent({ ...own, ...extensions, data });
});

if (mode === "batch") {
  // The SDK emits events one by one: a batch is the list of what it writes.
  const body = `[${events.map((event) => HTTP.structured(event).body).join(",")}]`;
  const headers = { "content-type": "application/cloudevents-batch+json" };
  await httpTransport(address)({ headers, body });
} else {
  const emit = emitterFor(httpTransport(address), { mode: mode === "binary" ? Mode.BINARY : Mode.STRUCTURED });
  for (const event of events) await emit(event);
}
