// A webhook receiver that verifies deliveries by the Standard Webhooks specification, with nothing but node:crypto.

import assert from 'node:assert/strict';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

/** Listens on a free port of this machine. */
export class Receiver {
  deliveries = [];
  #server;

  /** Resolves once it listens. */
  async start() {
    this.#server = createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      this.deliveries.push({ headers: request.headers, body: Buffer.concat(chunks) });
      response.writeHead(200).end('thanks');
    });
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.#server.address().port}/hook`;
    return this;
  }

  /** Stops listening, and drops connections that are kept alive. */
  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** The content of a delivery, whose signature must be right and whose timestamp must be now. */
export function verified(secret, { headers, body }) {
  const [id, time] = [headers['webhook-id'], headers['webhook-timestamp']];
  assert.ok(Math.abs(Date.now() / 1000 - Number(time)) < 300, `a delivery of another time: ${time}`);
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const expected = createHmac('sha256', key).update(`${id}.${time}.`).update(body).digest();
  const given = headers['webhook-signature'].split(' ').map((each) => each.split(','));
  const isSigned = given.some(([version, text]) => {
    const signature = Buffer.from(text ?? '', 'base64');
    return version === 'v1' && signature.length === expected.length && timingSafeEqual(signature, expected);
  });
  assert.ok(isSigned, `no signature is right: ${headers['webhook-signature']}`);
  return JSON.parse(body);
}
