// Verifies what Happypath posts: deliveries of channels and batches of subscriptions.
//
// Both are signed to the Standard Webhooks specification (https://www.standardwebhooks.com). Runs wherever there is Web Crypto.

/** Seconds by which the time of a post may be off, as the specification advises. */
const toleranceSeconds = 300;

/** A post that is not to be trusted: answer it with 401, and do nothing else. */
export class WebhookRefusedError extends Error {
  override name = 'WebhookRefusedError';
}

/** A post that was signed with the secret. */
export interface Delivery {
  /** Its id. The same post made again has the same one: who has seen it answers 200 and does nothing. */
  readonly id: string;
  /** When it was made. */
  readonly time: Date;
  /** The JSON of its body. */
  readonly payload: unknown;
}

/** Headers as `fetch` or Node have them. */
export type PostHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

/** What a check may go by. */
export interface VerifyOptions {
  /** Seconds by which the time of the post may be off: 300. */
  toleranceSeconds?: number;
  /** The time. Absent: that of the clock. */
  now?: Date;
}

/**
 * Checks the signature and the time of a post, and returns what was posted.
 *
 * `body` is the body as it came, before anything reads it; `secrets` the secret of the channel or subscription, `whsec_…`,
 * or several while one takes the place of another.
 *
 * Throws a WebhookRefusedError where a header is missing, the time is too far off, no signature is right, or the body is no
 * JSON; a TypeError where a secret is none.
 */
export async function verify(
  body: Uint8Array | string,
  headers: PostHeaders,
  secrets: string | readonly string[],
  options: VerifyOptions = {},
): Promise<Delivery> {
  const [id, instant, signatures] = ['id', 'timestamp', 'signature'].map((name) => header(headers, `webhook-${name}`));
  if (!/^[0-9]{1,15}$/.test(instant!)) throw new WebhookRefusedError(`webhook-timestamp ${instant} is no number of seconds`);
  const [sent, now] = [Number(instant), (options.now?.getTime() ?? Date.now()) / 1000];
  const tolerance = options.toleranceSeconds ?? toleranceSeconds;
  if (Math.abs(now - sent) > tolerance)
    throw new WebhookRefusedError(`webhook-timestamp ${instant} is more than ${tolerance} seconds off`);
  const content = typeof body === 'string' ? new TextEncoder().encode(body) : body;
  const head = new TextEncoder().encode(`${id}.${instant}.`);
  const signed = new Uint8Array(head.length + content.length);
  signed.set(head);
  signed.set(content, head.length);
  const shown = signatures!
    .split(' ')
    .filter((text) => text.startsWith('v1,'))
    .map((text) => bytes(text.slice('v1,'.length)));
  if (!(await isSigned(signed, shown, typeof secrets === 'string' ? [secrets] : secrets))) {
    throw new WebhookRefusedError('no signature is that of this secret');
  }
  try {
    return { id: id!, time: new Date(sent * 1000), payload: JSON.parse(new TextDecoder().decode(content)) };
  } catch (error) {
    throw new WebhookRefusedError(`the body is no JSON: ${error}`);
  }
}

async function isSigned(
  signed: Uint8Array<ArrayBuffer>,
  shown: (Uint8Array<ArrayBuffer> | undefined)[],
  secrets: readonly string[],
): Promise<boolean> {
  for (const secret of secrets) {
    const raw = bytes(secret.replace(/^whsec_/, ''));
    if (!raw?.length)
      throw new TypeError('a secret is `whsec_` and bytes in base64, as in the definition of the channel or subscription');
    const key = await crypto.subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
    for (const signature of shown) {
      // Web Crypto compares in constant time.
      if (signature && (await crypto.subtle.verify('HMAC', key, signature, signed))) return true;
    }
  }
  return false;
}

function header(headers: PostHeaders, name: string): string {
  const found =
    headers instanceof Headers ? headers.get(name) : Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  const value = Array.isArray(found) ? found[0] : found;
  if (typeof value !== 'string') throw new WebhookRefusedError(`the header ${name} is missing`);
  return value;
}

/** Returns the bytes of a text in base64, or undefined where it is none. */
function bytes(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return undefined;
  }
}
