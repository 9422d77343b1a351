// gRPC-Web over HTTP/1.1, framed by hand: what a browser would send.
//
// The protocol: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md

import assert from 'node:assert/strict';

import { method } from './contracts.mjs';

/** Calls a method; resolves to its status and, where it is 0, the answer. */
export async function callWeb(address, service, name, request) {
  const contract = method(service, name);
  const response = await fetch(new URL(contract.path, address), {
    method: 'POST',
    headers: { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' },
    body: frame(contract.requestSerialize(request)),
  });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/grpc-web+proto');
  const { messages, trailers } = frames(Buffer.from(await response.arrayBuffer()));
  // An answer without messages may carry its status in the head.
  const status = trailers.get('grpc-status') ?? response.headers.get('grpc-status');
  return { status: Number(status), answer: messages.length ? contract.responseDeserialize(messages[0]) : null };
}

/** A message with its flag and length. */
function frame(message) {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** The messages and trailers of a body. */
function frames(body) {
  const messages = [];
  let trailers = new Map();
  for (let at = 0; at < body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    assert.ok(end <= body.length, 'a frame is longer than the body');
    const content = body.subarray(at + 5, end);
    if (body[at] & 0x80) {
      const lines = content.toString().trim().split('\r\n');
      trailers = new Map(lines.map((line) => line.split(/: ?/, 2)));
    } else {
      messages.push(content);
    }
    at = end;
  }
  return { messages, trailers };
}
